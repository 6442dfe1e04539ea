// Which notebook or console is active, which kernel it has, and how to write into it.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ConsolePanel, IConsoleTracker } from '@jupyterlab/console';
import { type INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

type Document = NotebookPanel | ConsolePanel;

export class ActiveDocument {
  constructor(
    private readonly _shell: JupyterFrontEnd.IShell,
    private readonly _notebooks: INotebookTracker,
    private readonly _consoles: IConsoleTracker | null
  ) {
    _notebooks.currentChanged.connect(this._update, this);
    _consoles?.currentChanged.connect(this._update, this);
    _shell.currentChanged?.connect(this._update, this);
    this._update();
  }

  /** The document or its kernel is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The connection to the active kernel that comms go over; null when there is no kernel. */
  get kernel(): Kernel.IKernelConnection | null {
    return this._kernel;
  }

  get canInsert(): boolean {
    return this._document !== null;
  }

  /** Put `source` into a new cell below the active one, unless that says so already, or at the prompt of a console; go there. */
  insertCell(source: string): void {
    const document = this._document;
    if (document === null) {
      return;
    }
    if (!(document instanceof NotebookPanel)) {
      document.console.promptCell?.model.sharedModel.setSource(source);
    } else if (document.content.activeCell?.model.sharedModel.getSource() !== source) {
      NotebookActions.insertBelow(document.content);
      document.content.activeCell?.model.sharedModel.setSource(source);
    }
    this._shell.activateById(document.id);
  }

  /** Whether a point, in client coordinates, is on the active notebook. */
  isNotebookAt(x: number, y: number): boolean {
    const document = this._document;
    return (
      document instanceof NotebookPanel &&
      document.content.node.contains(window.document.elementFromPoint(x, y))
    );
  }

  /** Put `source` into a new cell below the one at a point. */
  insertCellAt(source: string, x: number, y: number): void {
    const document = this._document;
    if (!(document instanceof NotebookPanel)) {
      return;
    }
    const element = window.document.elementFromPoint(x, y);
    const index = document.content.widgets.findIndex(cell => cell.node.contains(element));
    if (index >= 0) {
      document.content.activeCellIndex = index;
    }
    this.insertCell(source);
  }

  /** Whether the active notebook has a cell of that id. */
  hasCell(id: string): boolean {
    return this._cell(id) !== null;
  }

  /** Make the cell of that id the active one, and bring it into sight. */
  goToCell(id: string): void {
    const found = this._cell(id);
    if (found !== null) {
      const { notebook, index } = found;
      notebook.content.activeCellIndex = index;
      this._shell.activateById(notebook.id);
      void notebook.content.scrollToItem(index, 'center');
    }
  }

  private _cell(id: string): { notebook: NotebookPanel; index: number } | null {
    const notebook = this._document;
    if (!(notebook instanceof NotebookPanel)) {
      return null;
    }
    const index = notebook.content.widgets.findIndex(cell => cell.model.id === id);
    return index < 0 ? null : { notebook, index };
  }

  private _update(): void {
    const document = this._find();
    if (document !== this._document) {
      this._document?.sessionContext.kernelChanged.disconnect(this._update, this);
      this._document?.disposed.disconnect(this._update, this);
      this._document = document;
      document?.sessionContext.kernelChanged.connect(this._update, this);
      document?.disposed.connect(this._update, this);
    }
    this._kernel?.disposed.disconnect(this._update, this);
    this._kernel = this._choose();
    if (this._own !== null && this._own !== this._kernel) {
      this._own.dispose();
      this._own = null;
    }
    this._kernel?.disposed.connect(this._update, this);
    this._changed.emit();
  }

  private _choose(): Kernel.IKernelConnection | null {
    const kernel = this._document?.sessionContext.session?.kernel ?? null;
    if (kernel === null) {
      return null;
    }
    // A console of a notebook has a connection of its own to the same kernel, and only the first takes comms.
    const taking = [kernel, ...this._connections()].find(
      other => other.id === kernel.id && other.handleComms && !other.isDisposed
    );
    if (taking !== undefined) {
      return taking;
    }
    // When that is closed, JupyterLab has none of the others take any.
    if (this._own === null || this._own.isDisposed || this._own.id !== kernel.id) {
      this._own?.dispose();
      this._own = kernel.clone({ handleComms: true });
      // It would close comms that it does not know.
      this._own.registerCommTarget('jupyter.widget', () => undefined);
      if (kernel.commsOverSubshells !== undefined) {
        this._own.commsOverSubshells = kernel.commsOverSubshells;
      }
    }
    return this._own;
  }

  private _find(): Document | null {
    const current = this._shell.currentWidget;
    const active = this._documents().find(document => document === current);
    if (active !== undefined) {
      return active;
    }
    // Something else is active, such as this panel: stay with the last one.
    const last = this._document;
    return last !== null && !last.isDisposed && this._has(last)
      ? last
      : (this._notebooks.currentWidget ?? this._consoles?.currentWidget ?? null);
  }

  private _has(widget: Widget): boolean {
    return this._notebooks.has(widget) || (this._consoles?.has(widget) ?? false);
  }

  private _documents(): Document[] {
    const found: Document[] = [];
    this._notebooks.forEach(notebook => found.push(notebook));
    this._consoles?.forEach(console => found.push(console));
    return found;
  }

  private _connections(): Kernel.IKernelConnection[] {
    return this._documents().flatMap(document => document.sessionContext.session?.kernel ?? []);
  }

  private readonly _changed = new Signal<this, void>(this);
  private _document: Document | null = null;
  private _kernel: Kernel.IKernelConnection | null = null;
  private _own: Kernel.IKernelConnection | null = null;
}

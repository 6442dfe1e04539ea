// The board as a widget of JupyterLab, for the side area or a tab: follows the active document, and lets the kernel know
// whether anybody looks. What is shown is the view's business.
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { type ReactElement, Suspense, lazy, useMemo, useSyncExternalStore } from 'react';

import { gatherMagic } from '../store/magic';
import { PlacementModel } from '../store/model';
import type { IPlacements } from '../tokens';
import type { INotebook } from '../view/common/context';
import type { ActiveDocument } from './following';
import { anchorIcon } from './icon';
import type { PanelSettings } from './settings';

export interface IPanelOptions {
  placements: IPlacements;
  document: ActiveDocument;
  settings: PanelSettings;
  trans: TranslationBundle;
}

export class PlacementPanel extends ReactWidget {
  constructor(id: string, options: IPanelOptions) {
    super();
    this._options = options;
    const { trans } = options;
    this.id = id;
    this.addClass('jp-MooragePanel');
    this.title.icon = anchorIcon;
    this.title.caption = trans.__('Moorage: where Dask data lives');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Moorage'));
  }

  protected override render(): ReactElement {
    return <Connected {...this._options} />;
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._setVisible(true);
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._setVisible(this.isVisible);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._setVisible(false);
  }

  protected override onBeforeDetach(message: Message): void {
    super.onBeforeDetach(message);
    this._setVisible(false);
  }

  private _setVisible(isVisible: boolean): void {
    if (isVisible) {
      this._watching ??= this._options.placements.watch();
    } else {
      this._watching?.dispose();
      this._watching = null;
    }
  }

  private readonly _options: IPanelOptions;
  private _watching: IDisposable | null = null;
}

const Board = lazy(() => import('../view/board').then(view => ({ default: view.Board })));

/** Shown while no kernel is active; there is nothing to do. */
const NO_KERNEL = new PlacementModel({ request: () => Promise.reject(new Error('No kernel is active.')) });

function Connected({ placements, document, settings, trans }: IPanelOptions): ReactElement {
  const model = useSyncExternalStore(
    notify => {
      placements.currentChanged.connect(notify);
      return () => placements.currentChanged.disconnect(notify);
    },
    () => placements.current
  );
  const options = useSyncExternalStore(
    notify => {
      settings.changed.connect(notify);
      return () => settings.changed.disconnect(notify);
    },
    () => settings.values
  );
  const notebook = useMemo(() => notebookOf(document), [document]);
  return (
    <Suspense>
      <Board model={model ?? NO_KERNEL} options={options} notebook={notebook} trans={trans} />
    </Suspense>
  );
}

function notebookOf(document: ActiveDocument): INotebook {
  return {
    insertCell: source => document.insertCell(source),
    interrupt: () => void document.kernel?.interrupt(),
    hasCell: id => document.hasCell(id),
    goToCell: id => document.goToCell(id),
    isAt: (x, y) => document.isNotebookAt(x, y),
    dropAt: (names, x, y) => {
      const magic = gatherMagic(names);
      if (magic !== null) {
        document.insertCellAt(magic, x, y);
      }
    }
  };
}

// The board as a widget of JupyterLab, for the side area or a tab: follows the active document, and lets the kernel know
// whether anybody looks. What is shown is the view's business.
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { type ReactElement, Suspense, lazy, useMemo, useSyncExternalStore } from 'react';
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';

import { gatherMagic } from '../store/magic';
import type { PlacementModel } from '../store/model';
import { INITIAL } from '../store/state';
import type { IPlacements } from '../tokens';
import type { IBoardActions } from '../view/context';
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

  /** Panels that are in sight. */
  private static readonly _visible = new Set<PlacementPanel>();

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
      PlacementPanel._visible.add(this);
    } else {
      PlacementPanel._visible.delete(this);
    }
    this._options.placements.setWatched(PlacementPanel._visible.size > 0);
  }

  private readonly _options: IPanelOptions;
}

const Board = lazy(() => import('../view/board').then(view => ({ default: view.Board })));

const NO_KERNEL = createStore(() => INITIAL);

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
  const state = useStore(model?.store ?? NO_KERNEL);
  const actions = useMemo(() => actionsOf(model, document), [model, document]);
  return (
    <Suspense>
      <Board state={state} actions={actions} options={options} trans={trans} />
    </Suspense>
  );
}

/** What the board may do: act on a model, and write into a document. */
function actionsOf(model: PlacementModel | null, document: ActiveDocument): IBoardActions {
  return {
    perform: (steps, force) => model?.perform(steps, force),
    start: workers => model?.start(workers),
    attach: target => model?.attach(target),
    scale: workers => model?.scale(workers),
    adapt: range => model?.adapt(range),
    stop: () => model?.stop(),
    dismiss: notice => model?.dismiss(notice),
    dismissFailure: failure => model?.dismissFailure(failure),
    insertCell: source => document.insertCell(source),
    outside: {
      accepts: (x, y) => document.isNotebookAt(x, y),
      drop: (names, x, y) => {
        const magic = gatherMagic(names);
        if (magic !== null) {
          document.insertCellAt(magic, x, y);
        }
      }
    }
  };
}

// The item of the status bar: the current kernel's board in a few words; it opens the panel.
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';
import type { ReactElement } from 'react';

import type { IPlacements } from '../tokens';
import { type ISummary, summary } from '../view/common/summary';
import { anchorIcon } from './icon';

export class StatusItem extends ReactWidget {
  constructor(
    private readonly _placements: IPlacements,
    private readonly _trans: TranslationBundle,
    private readonly _open: () => void
  ) {
    super();
    this.addClass('jp-Moorage-status');
    this.node.dataset['moorageStatus'] = '';
    _placements.currentChanged.connect(this._follow, this);
    this._follow();
  }

  /** Whether there is something to say. */
  get isActive(): boolean {
    return this._summary !== null;
  }

  /** It has something to say now, or no longer. */
  get isActiveChanged(): ISignal<this, void> {
    return this._isActiveChanged;
  }

  override dispose(): void {
    this._unsubscribe?.();
    Signal.clearData(this);
    super.dispose();
  }

  protected override render(): ReactElement | null {
    const said = this._summary;
    if (said === null) {
      return null;
    }
    const troubles = said.troubles > 0 ? this._trans._n('%1 problem', '%1 problems', said.troubles) : null;
    return (
      <button
        type="button"
        className="jp-Moorage-status-button"
        title={said.details}
        aria-label={[this._trans.__('Moorage'), said.text, troubles].filter(Boolean).join(', ')}
        onClick={() => this._open()}
      >
        <anchorIcon.react tag="span" width="14px" height="14px" />
        <span>{said.text}</span>
        {troubles === null ? null : <b>{troubles}</b>}
      </button>
    );
  }

  private _follow(): void {
    this._unsubscribe?.();
    this._unsubscribe = this._placements.current?.subscribe(() => this._look()) ?? null;
    this._look();
  }

  private _look(): void {
    const state = this._placements.current?.state;
    const now = state === undefined ? null : summary(this._trans, state);
    const before = this._summary;
    if (JSON.stringify(now) === JSON.stringify(before)) {
      return;
    }
    this._summary = now;
    this.update();
    if ((now === null) !== (before === null)) {
      this._isActiveChanged.emit();
    }
  }

  private readonly _isActiveChanged = new Signal<this, void>(this);
  private _summary: ISummary | null = null;
  private _unsubscribe: (() => void) | null = null;
}

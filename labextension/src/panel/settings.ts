// The settings of the panel, in the units that the code counts in. The units that people write stand in the schema.
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IBoardOptions } from '../view/common/context';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export interface IPanelSettings extends IBoardOptions {
  readonly side: 'left' | 'right';
  /** The kernel shall refuse whatever changes something. */
  readonly readOnly: boolean;
}

const DEFAULTS: IPanelSettings = { side: 'right', threshold: MIB, confirmAbove: 2 * GIB, readOnly: false };

export class PanelSettings {
  get values(): IPanelSettings {
    return this._values;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Take the values from JupyterLab's settings, now and whenever they change. */
  follow(settings: ISettingRegistry.ISettings): void {
    settings.changed.connect(this._read, this);
    this._read(settings);
  }

  private _read({ composite }: ISettingRegistry.ISettings): void {
    const { side, threshold, confirmAbove, readOnly } = composite;
    this._values = {
      side: side === 'left' ? 'left' : 'right',
      threshold: typeof threshold === 'number' ? threshold * MIB : DEFAULTS.threshold,
      confirmAbove: typeof confirmAbove === 'number' ? confirmAbove * GIB : DEFAULTS.confirmAbove,
      readOnly: readOnly === true
    };
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _values = DEFAULTS;
}

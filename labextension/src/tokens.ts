// What other extensions may ask of this one, and what panel/ gets from index.ts.
import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { IPlacementModel } from './store/actions';

/** Where the data of the active kernel lives. */
export interface IPlacements {
  /** Of the kernel of the active notebook or console; null when none is active. */
  readonly current: IPlacementModel | null;
  readonly currentChanged: ISignal<IPlacements, void>;
  /** Connect to the current kernel, now and whenever it becomes another, until what is returned is disposed of. */
  watch(): IDisposable;
  /** Call `act` with the current kernel's board, connected and complete, whether or not anybody watches; null: no kernel. */
  reach<Result>(act: (model: IPlacementModel | null) => Promise<Result>): Promise<Result>;
}

export const IPlacements = new Token<IPlacements>(
  'moorage:IPlacements',
  'Where the Dask data of the active notebook or console lives, and how to place it.'
);

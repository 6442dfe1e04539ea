// What all parts of the board share: what the user may do, and what is in the hand.
import { createContext, useContext } from 'react';

import type { ICarried, IStep, Target } from '../store/gestures';
import type { IPreview } from '../store/preview';

/** What the board asks of whoever shows it. */
export interface IBoardActions {
  perform(steps: readonly IStep[], force?: boolean): void;
  start(workers: number): void;
  attach(target: string): void;
  scale(workers: number): void;
  adapt(range: readonly [number, number] | null): void;
  stop(): void;
  dismiss(notice: string): void;
  dismissFailure(failure: number): void;
  /** Put text into a new cell; absent where there is no notebook to put it. */
  insertCell?: ((source: string) => void) | undefined;
  /** What lies under the pointer outside of the board; absent where nothing else takes variables. */
  outside?: IOutside | undefined;
}

/** The world beyond the board, as a place to drop variables. */
export interface IOutside {
  /** Whether variables can be dropped there, in client coordinates. */
  accepts(x: number, y: number): boolean;
  drop(names: readonly string[], x: number, y: number): void;
}

export interface IBoardOptions {
  /** Bytes below which a variable that is not placed is not listed. */
  readonly threshold: number;
  /** Bytes beyond which a copy has to be confirmed. */
  readonly confirmAbove: number;
  /** Nothing can be changed. */
  readonly readOnly: boolean;
}

/** What is in the hand, over what, and what a drop would do. */
export interface IHand {
  readonly carried: ICarried | null;
  readonly over: Target | null;
  /** What a drop there would do; null with an empty hand. */
  previewAt(target: Target): IPreview | null;
}

export const HandContext = createContext<IHand>({ carried: null, over: null, previewAt: () => null });

export function useHand(): IHand {
  return useContext(HandContext);
}

/** What is in the hand, for those to whom it makes no difference where that is. */
export const CarriedContext = createContext<ICarried | null>(null);

/** Whether a variable is carried that was taken from there. */
export function isCarried(carried: ICarried | null, name: string, from: string | null): boolean {
  return carried !== null && carried.from === from && carried.names.includes(name);
}

// What a board shows and what can be done there: `PlacementModel`, as the view and other extensions see it.
import type { PanelParts, PanelWhyArgs } from '../protocol';
import type { IStep } from './gestures';
import type { IBoardState } from './state';

/** The acts of the user. What becomes of them shows in the state. */
export interface IBoardActions {
  /** Place or release. */
  perform(steps: readonly IStep[], force?: boolean): void;
  start(workers: number): void;
  attach(target: string): void;
  scale(workers: number): void;
  adapt(range: readonly [number, number] | null): void;
  /** Disconnect from a cluster that goes on. */
  leave(): void;
  stop(): void;
  /** Begin the process of a worker anew. */
  restart(worker: string): void;
  /** Take back what the notebook has done last. */
  undo(): void;
  /** Cancel what has not ended of something that runs. */
  cancel(computation: string): void;
  /** Take away a notice of the kernel. */
  dismiss(notice: string): void;
  /** Ask why something is as it is. */
  explain(about: PanelWhyArgs): void;
  /** Ask for some of a variable's parts; rejects with an error in words, since only whoever asks has a place for it. */
  parts(name: string, start: number, count: number): Promise<PanelParts>;
  /** Take the answer away. */
  dismissExplanation(): void;
  /** Take away a failure of a request. */
  dismissFailure(failure: number): void;
}

/** The board of one kernel. */
export interface IPlacementModel extends IBoardActions {
  readonly state: IBoardState;
  /** Have `listener` called after each change of the state, until what is returned is called. */
  subscribe(listener: () => void): () => void;
}

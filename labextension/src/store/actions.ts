// What a board shows and what can be done there: `PlacementModel`, as the view and other extensions see it.
import type { PanelKeptCluster, PanelKind, PanelParts, PanelWhyArgs } from '../protocol';
import type { IStep } from './gestures';
import type { IBoardState } from './state';

/** What a cluster is started with. */
export interface IStartOptions {
  readonly workers: number;
  /** Of each worker; absent: Dask's choice. */
  readonly threads?: number;
  /** Of each worker, as "2GB"; absent: an even share. */
  readonly memory?: string;
  /** Let it outlive the kernel. */
  readonly keep?: boolean;
  /** The kind, or the path of a class; absent: what is configured. */
  readonly using?: string;
  /** Arguments of the class, each as written in a line. */
  readonly options?: Readonly<Record<string, string>>;
}

/** A form to be filled in where there is no cluster yet. */
export type Form = NonNullable<IBoardState['form']>;

/** The acts of the user. What becomes of them shows in the state. */
export interface IBoardActions {
  /** Place or release. */
  perform(steps: readonly IStep[], force?: boolean): void;
  start(options: IStartOptions): void;
  /** What a kind of cluster can be started with; rejects as `parts` does. */
  kind(name: string): Promise<PanelKind>;
  /** Clusters that can be attached to by name; rejects as `parts` does. */
  kept(): Promise<readonly PanelKeptCluster[]>;
  attach(target: string): void;
  scale(workers: number): void;
  adapt(range: readonly [number, number] | null): void;
  /** Let it outlive the kernel, or no longer. */
  keep(on: boolean): void;
  /** Disconnect from a cluster that goes on. */
  leave(): void;
  stop(): void;
  /** Restart the process of a worker. */
  restart(worker: string): void;
  /** Take back what the notebook has done last. */
  undo(): void;
  /** Cancel what has not ended of something that runs. */
  cancel(computation: string): void;
  /** Take away a notice of the kernel. */
  dismiss(notice: string): void;
  /** Agree to what an assistant wants done, or refuse it. */
  decide(proposal: string, agreed: boolean): void;
  /** Ask why something is as it is. */
  explain(about: PanelWhyArgs): void;
  /** Ask for some of a variable's parts; rejects with an error in words, since only whoever asks has a place for it. */
  parts(name: string, start: number, count: number): Promise<PanelParts>;
  /** Take the answer away. */
  dismissExplanation(): void;
  /** Show a form, for as long as there is no cluster; null: none. */
  open(form: Form | null): void;
  /** Take away a failure of a request. */
  dismissFailure(failure: number): void;
}

/** The board of one kernel. */
export interface IPlacementModel extends IBoardActions {
  readonly state: IBoardState;
  /** Have `listener` called after each change of the state, until what is returned is called. */
  subscribe(listener: () => void): () => void;
}

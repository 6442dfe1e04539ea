// What a worker has, as its card shows it: its chips, and what its memory is made of. Pure.
import type { PanelWorker } from '../protocol';
import type { IBoardState, IIntent, IVariable } from './state';

/** A variable on a worker. */
export interface IHolding {
  readonly variable: IVariable;
  /** Keys that it has, and still lacks. */
  readonly held: number;
  readonly pending: number;
  /** Bytes of the keys that it has for itself, and of those that its host shares. */
  readonly nbytes: number;
  readonly shared: number;
}

/** Variables that are on `worker` or on their way to it, in the order of the list. */
export function holdings(variables: ReadonlyMap<string, IVariable>, worker: string): readonly IHolding[] {
  const found: IHolding[] = [];
  for (const variable of variables.values()) {
    const held = variable.held.get(worker);
    const pending = variable.pending.get(worker);
    if (held > 0 || pending > 0) {
      const part = held / Math.max(1, variable.nkeys);
      const nbytes = Math.max(0, variable.nbytes - variable.shared) * part;
      found.push({ variable, held, pending, nbytes, shared: variable.shared * part });
    }
  }
  return found;
}

/** `holdings` of workers, which remembers its answers: lists that scroll ask again and again. */
export function holder(variables: ReadonlyMap<string, IVariable>): (worker: string) => readonly IHolding[] {
  const known = new Map<string, readonly IHolding[]>();
  return worker => {
    const found = known.get(worker) ?? holdings(variables, worker);
    known.set(worker, found);
    return found;
  };
}

/** Nobody wants to be told that there are two more: they have the room that this takes. */
const SPARE = 2;

/** Those of many that are shown first: what is on its way, then what came last. */
export function foremost(holdings: readonly IHolding[], most: number): readonly IHolding[] {
  const isComing = ({ pending }: IHolding): number => Number(pending > 0);
  return holdings.length <= most + SPARE
    ? holdings
    : [...holdings]
        .sort(
          (one, other) => isComing(other) - isComing(one) || other.variable.touched - one.variable.touched
        )
        .slice(0, most);
}

/** Whether two lists of holdings look the same on a card. */
export function sameHoldings(before: readonly IHolding[], after: readonly IHolding[]): boolean {
  return (
    before.length === after.length &&
    before.every((holding, index) => {
      const other = after[index];
      return (
        other !== undefined &&
        holding.variable.name === other.variable.name &&
        holding.variable.nkeys === other.variable.nkeys &&
        holding.variable.touched === other.variable.touched &&
        holding.held === other.held &&
        holding.pending === other.pending &&
        holding.nbytes === other.nbytes &&
        holding.shared === other.shared
      );
    })
  );
}

/** Bytes of a worker's memory by what they are. */
export interface IMemory {
  /** Of each holding, in their order. */
  readonly placed: readonly number[];
  /** Other data that Dask manages. */
  readonly other: number;
  /** The rest of the process. */
  readonly unmanaged: number;
  /** Data on disk. */
  readonly spilled: number;
  /** What of its data the host shares. */
  readonly shared: number;
  /** What of it counts against the limit. */
  readonly used: number;
}

/**
 * How a worker's memory divides. What it holds is known at once, its memory is told of from time to time: where the two
 * differ, the first counts. Only where data is on disk there is less of it in memory than it has.
 */
export function memory(worker: PanelWorker, holdings: readonly IHolding[]): IMemory {
  const estimates = holdings.map(({ nbytes }) => nbytes);
  const total = estimates.reduce((one, other) => one + other, 0);
  const shrink = worker.spilled > 0 && total > worker.managed ? worker.managed / total : 1;
  const other = Math.max(0, worker.managed - total);
  const unmanaged = Math.max(0, worker.process - worker.managed);
  return {
    placed: estimates.map(nbytes => nbytes * shrink),
    other,
    unmanaged,
    spilled: worker.spilled,
    shared: holdings.reduce((sum, { shared }) => sum + shared, 0),
    used: total * shrink + other + unmanaged
  };
}

/** Bytes of all copies of all placed variables. */
export function placedBytes(variables: ReadonlyMap<string, IVariable>): number {
  let total = 0;
  for (const { held, nbytes, nkeys } of variables.values()) {
    total += (nbytes * held.total) / Math.max(1, nkeys);
  }
  return total;
}

/** Whether a request about `name` is under way. */
export function isAsked(intents: readonly IIntent[], name: string): boolean {
  return intents.some(({ names }) => names.includes(name));
}

/** Threads of all workers. */
export function threads(state: IBoardState): number {
  let total = 0;
  for (const { nthreads } of state.workers.values()) {
    total += nthreads;
  }
  return total;
}

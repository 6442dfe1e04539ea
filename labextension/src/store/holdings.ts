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
    const one = holding(variable, worker);
    if (one !== null) {
      found.push(one);
    }
  }
  return found;
}

function holding(variable: IVariable, worker: string): IHolding | null {
  const held = variable.held.get(worker);
  const pending = variable.pending.get(worker);
  if (held === 0 && pending === 0) {
    return null;
  }
  const part = held / Math.max(1, variable.nkeys);
  const nbytes = Math.max(0, variable.nbytes - variable.shared) * part;
  return { variable, held, pending, nbytes, shared: variable.shared * part };
}

/** Changes of variables that are looked up one by one in what is known of a worker. */
const FEW = 32;

/** Says what workers hold, as `holdings`. */
export type Holder = (worker: string) => readonly IHolding[];

/**
 * Makes `Holder`s that remember their answers, those of the one before included: lists that scroll ask again and again, and
 * few variables change at a time. What has not changed is the same list.
 */
export class Holders {
  of(variables: ReadonlyMap<string, IVariable>): Holder {
    const before = this._known;
    const changed = changes(this._variables, variables);
    const known = new Map<string, readonly IHolding[]>();
    this._variables = variables;
    this._known = known;
    return worker => {
      let found = known.get(worker);
      if (found === undefined) {
        const old = changed === null ? undefined : before.get(worker);
        found =
          (old === undefined || changed === null ? null : patched(old, changed, worker)) ??
          holdings(variables, worker);
        known.set(worker, found);
      }
      return found;
    };
  }

  private _variables: ReadonlyMap<string, IVariable> = new Map();
  private _known: ReadonlyMap<string, readonly IHolding[]> = new Map();
}

// The variables that are others than before; null: many, or not the same names in the same order.
function changes(
  before: ReadonlyMap<string, IVariable>,
  after: ReadonlyMap<string, IVariable>
): readonly IVariable[] | null {
  if (before.size !== after.size) {
    return null;
  }
  const changed: IVariable[] = [];
  const names = before.keys();
  for (const [name, variable] of after) {
    if (names.next().value !== name) {
      return null;
    }
    if (before.get(name) !== variable && changed.push(variable) > FEW) {
      return null;
    }
  }
  return changed;
}

// A worker's list after some variables have changed, the same if it shows nothing of that; null: it is longer or shorter.
function patched(
  list: readonly IHolding[],
  changed: readonly IVariable[],
  worker: string
): readonly IHolding[] | null {
  let next: IHolding[] | null = null;
  for (const variable of changed) {
    const at = list.findIndex(one => one.variable.name === variable.name);
    const before = list[at];
    const now = holding(variable, worker);
    if (before === undefined || now === null) {
      if (before !== undefined || now !== null) {
        return null;
      }
    } else if (!sameHolding(before, now) || before.variable.touched !== variable.touched) {
      next ??= [...list];
      next[at] = now;
    }
  }
  return next ?? list;
}

/** Nobody wants to be told that there are two more: they have the room that this takes. */
const SPARE = 2;

/** Those of many that are shown first: what is on its way, then what came last. */
export function foremost(holdings: readonly IHolding[], most: number): readonly IHolding[] {
  if (holdings.length <= most + SPARE) {
    return holdings;
  }
  const first: IHolding[] = [];
  for (const one of holdings) {
    let at = first.length;
    for (let other = first[at - 1]; other !== undefined && precedes(one, other); other = first[at - 1]) {
      at--;
    }
    if (at < most) {
      first.splice(at, 0, one);
      first.length = Math.min(first.length, most);
    }
  }
  return first;
}

function precedes(one: IHolding, other: IHolding): boolean {
  const isComing = one.pending > 0;
  return isComing === other.pending > 0 ? one.variable.touched > other.variable.touched : isComing;
}

/** Whether two lists of holdings look the same on a card that shows `most` of them. */
export function sameHoldings(before: readonly IHolding[], after: readonly IHolding[], most: number): boolean {
  return (
    before === after || (sameList(before, after) && sameList(foremost(before, most), foremost(after, most)))
  );
}

function sameList(before: readonly IHolding[], after: readonly IHolding[]): boolean {
  return (
    before.length === after.length &&
    before.every((holding, index) => {
      const other = after[index];
      return other !== undefined && sameHolding(holding, other);
    })
  );
}

function sameHolding(one: IHolding, other: IHolding): boolean {
  return (
    one.variable.name === other.variable.name &&
    one.variable.nkeys === other.variable.nkeys &&
    one.held === other.held &&
    one.pending === other.pending &&
    one.nbytes === other.nbytes &&
    one.shared === other.shared
  );
}

/** Bytes of a worker's memory by what they are. */
export interface IMemory {
  /** Of each holding, in their order. */
  readonly placed: readonly number[];
  /** Collections that are not placed, and futures and results. */
  readonly collections: number;
  readonly results: number;
  /** Other data that Dask manages: of other notebooks, and for tasks that wait. */
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
  const rest = Math.max(0, worker.managed - total);
  // These are told of later than what the worker has in all.
  const named = worker.collections + worker.results;
  const part = named > rest ? rest / named : 1;
  const unmanaged = Math.max(0, worker.process - worker.managed);
  return {
    placed: estimates.map(nbytes => nbytes * shrink),
    collections: worker.collections * part,
    results: worker.results * part,
    other: rest - named * part,
    unmanaged,
    spilled: worker.spilled,
    shared: holdings.reduce((sum, { shared }) => sum + shared, 0),
    used: total * shrink + rest + unmanaged
  };
}

/** What a memory bar is made of, but for what is placed. */
export type Part = 'collections' | 'results' | 'other' | 'unmanaged' | 'spilled';

/** Those parts in the order in which they are drawn. */
export const PARTS: readonly Part[] = ['collections', 'results', 'other', 'unmanaged', 'spilled'];

/** The parts that some worker's bar has, as far as they are not always there. */
export function partsShown(workers: ReadonlyMap<string, PanelWorker>): readonly Part[] {
  const found = new Set<Part>(['other', 'unmanaged']);
  for (const { collections, results, spilled } of workers.values()) {
    if (collections > 0) {
      found.add('collections');
    }
    if (results > 0) {
      found.add('results');
    }
    if (spilled > 0) {
      found.add('spilled');
    }
    if (found.size === PARTS.length) {
      break;
    }
  }
  return PARTS.filter(part => found.has(part));
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

// What would happen at a target, in numbers, before it happens. Pure. The kernel decides in the end; this only spares the
// user a drop that it would refuse.
import type { PanelWorker, PlacementDict } from '../protocol';
import {
  type ICarried,
  type IStep,
  type NoStep,
  type Target,
  accepts,
  placementAt,
  resolve,
  targetId
} from './gestures';
import type { IBoardState, IVariable } from './state';

export type Refusal =
  | { readonly reason: 'read-only' }
  | { readonly reason: NoStep }
  | { readonly reason: 'no-workers' }
  | {
      readonly reason: 'does-not-fit';
      readonly worker: string;
      /** Bytes that would have to go there, and that it has room for. */
      readonly nbytes: number;
      readonly free: number;
    };

export interface IPreview {
  /** What to ask the kernel for; empty when refused, unless it is only refused for its size. */
  readonly steps: readonly IStep[];
  /** Worker -> bytes that would be copied to it. */
  readonly incoming: ReadonlyMap<string, number>;
  /** Bytes in all. */
  readonly nbytes: number;
  /** Copies of variables that would be let go. */
  readonly drops: number;
  /** Workers that get their copy only when they resume. */
  readonly paused: readonly string[];
  readonly refusal: Refusal | null;
}

const NOTHING: IPreview = { steps: [], incoming: new Map(), nbytes: 0, drops: 0, paused: [], refusal: null };

/** What a placement may fill of a worker's memory limit: where the worker pauses. As in moorage/kernel/assign.py. */
export const PAUSE = 0.8;

/** Bytes that a worker has room for; Infinity without a limit. */
export function freeBytes(worker: PanelWorker): number {
  return worker.memory_limit === 0
    ? Infinity
    : Math.max(0, PAUSE * worker.memory_limit - Math.max(worker.process, worker.managed));
}

/** What dropping `carried` on `target` would do. */
export function preview(state: IBoardState, carried: ICarried, target: Target): IPreview {
  if (state.readOnly) {
    return { ...NOTHING, refusal: { reason: 'read-only' } };
  }
  const steps = new Map<string, { names: string[]; placement: PlacementDict | null }>();
  const incoming = new Map<string, number>();
  let drops = 0;
  let no: NoStep = 'already';
  for (const name of carried.names) {
    const placement = placementAt(state, name, carried, target);
    if (typeof placement === 'string') {
      no = placement;
      continue;
    }
    const key = JSON.stringify(placement);
    const step = steps.get(key);
    if (step === undefined) {
      steps.set(key, { names: [name], placement });
    } else {
      step.names.push(name);
    }
    drops += account(state, name, placement, incoming);
  }
  if (steps.size === 0) {
    return { ...NOTHING, refusal: { reason: no } };
  }
  const wanting = [...steps.values()].some(({ placement }) => placement !== null);
  return {
    steps: [...steps.values()],
    incoming,
    nbytes: [...incoming.values()].reduce((total, nbytes) => total + nbytes, 0),
    drops,
    paused: [...incoming.keys()].filter(worker => state.workers.get(worker)?.status === 'paused'),
    refusal:
      wanting && state.workers.size === 0 ? { reason: 'no-workers' } : firstThatDoesNotFit(state, incoming)
  };
}

/** `preview` of one hand, which remembers its answers: many cards ask about the same target. */
export function previewer(state: IBoardState, carried: ICarried): (target: Target) => IPreview {
  const known = new Map<string, IPreview>();
  return target => {
    const id = targetId(target);
    const found = known.get(id) ?? preview(state, carried, target);
    known.set(id, found);
    return found;
  };
}

// Adds what would be copied to `incoming`; returns the number of workers that would let go of what they have.
function account(
  state: IBoardState,
  name: string,
  placement: PlacementDict | null,
  incoming: Map<string, number>
): number {
  const variable = state.variables.get(name);
  const nbytes = variable?.nbytes ?? state.candidates.get(name)?.nbytes ?? 0;
  if (placement === null) {
    return variable?.held.size ?? 0;
  }
  const wanted = wantedWorkers(state, variable, placement);
  const share = placement.kind === 'workers' && placement.each === false ? 1 / Math.max(1, wanted.size) : 1;
  for (const worker of wanted) {
    const missing = nbytes * Math.max(0, share - heldShare(variable, worker));
    if (missing > 0) {
      incoming.set(worker, (incoming.get(worker) ?? 0) + missing);
    }
  }
  return [...(variable?.held.workers() ?? [])].filter(worker => !wanted.has(worker)).length;
}

function heldShare(variable: IVariable | undefined, worker: string): number {
  return variable === undefined ? 0 : variable.held.get(worker) / Math.max(1, variable.nkeys);
}

function wantedWorkers(
  state: IBoardState,
  variable: IVariable | undefined,
  placement: PlacementDict
): ReadonlySet<string> {
  switch (placement.kind) {
    case 'everywhere':
      return new Set([...state.workers].filter(([, worker]) => accepts(worker)).map(([name]) => name));
    case 'hosts':
      return new Set(state.hosts.map(({ workers }) => best(state, variable, workers)).filter(isSome));
    case 'workers':
      return resolve(state, placement.workers ?? []);
    case 'anywhere': {
      const one = best(state, variable, [...state.workers.keys()]);
      return new Set(variable?.held.size ? variable.held.workers() : isSome(one) ? [one] : []);
    }
  }
}

// The one of `workers` that has most of the variable already, or else most room.
function best(
  state: IBoardState,
  variable: IVariable | undefined,
  workers: readonly string[]
): string | undefined {
  let found: string | undefined;
  let most: readonly [number, number] = [-1, -1];
  for (const name of workers) {
    const worker = state.workers.get(name);
    if (worker === undefined || !accepts(worker)) {
      continue;
    }
    const rank = [heldShare(variable, name), freeBytes(worker)] as const;
    if (rank[0] > most[0] || (rank[0] === most[0] && rank[1] > most[1])) {
      [found, most] = [name, rank];
    }
  }
  return found;
}

function isSome(name: string | undefined): name is string {
  return name !== undefined;
}

function firstThatDoesNotFit(state: IBoardState, incoming: ReadonlyMap<string, number>): Refusal | null {
  for (const [name, nbytes] of incoming) {
    const worker = state.workers.get(name);
    // A paused one is full, and takes its copy when it has let go of something: that is waiting, not refusing.
    const free = worker === undefined || worker.status === 'paused' ? Infinity : freeBytes(worker);
    if (nbytes > free) {
      return { reason: 'does-not-fit', worker: name, nbytes, free };
    }
  }
  return null;
}

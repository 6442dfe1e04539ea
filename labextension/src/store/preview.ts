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
import { workersOn } from './hosts';
import type { IParts } from './parts';
import type { IBoardState, IVariable } from './state';
import { bytesOf, collectionNamed } from './unplaced';

export type Refusal =
  | { readonly reason: 'read-only' }
  | { readonly reason: NoStep }
  | { readonly reason: 'no-workers' }
  | {
      readonly reason: 'does-not-fit';
      /** A worker, or a host. */
      readonly where: string;
      /** Bytes that would have to go there, and that it has room for. */
      readonly nbytes: number;
      readonly free: number;
    };

export interface IPreview {
  /** What to ask the kernel for; empty when refused, unless it is only refused for its size. */
  readonly steps: readonly IStep[];
  /** Worker -> bytes of data that is new to it. */
  readonly incoming: ReadonlyMap<string, number>;
  /** Worker -> bytes of these that it would have for itself. */
  readonly own: ReadonlyMap<string, number>;
  /** Host -> bytes of these that its workers would share, and that it does not have yet. */
  readonly shared: ReadonlyMap<string, number>;
  /** Worker -> bytes that it would share, and that its tasks may write to: it needs as much for itself then. */
  readonly writable: ReadonlyMap<string, number>;
  /** Bytes that would be copied in all. */
  readonly nbytes: number;
  /** Copies of variables that would be let go. */
  readonly drops: number;
  /** Variables that would be let go of and that the notebook has no value of. */
  readonly loses: readonly string[];
  /** Workers that get their copy only when they resume. */
  readonly paused: readonly string[];
  /** Some may be where they would go already: of a collection that is not placed the kernel alone knows. */
  readonly isAtMost: boolean;
  readonly refusal: Refusal | null;
}

/** What to do about a gesture: say why not, ask whether so much shall be copied or lost, or just do it. */
export type Decision = 'refuse' | 'ask' | 'perform';

/** Decide about a gesture, where copies of more than `confirmAbove` bytes have to be confirmed. */
export function decide({ refusal, nbytes, loses }: IPreview, confirmAbove: number): Decision {
  return refusal !== null ? 'refuse' : nbytes > confirmAbove || loses.length > 0 ? 'ask' : 'perform';
}

const NOTHING: IPreview = {
  steps: [],
  incoming: new Map(),
  own: new Map(),
  shared: new Map(),
  writable: new Map(),
  nbytes: 0,
  drops: 0,
  loses: [],
  paused: [],
  isAtMost: false,
  refusal: null
};

/** Bytes that a worker can have for itself, if it fills `share` of its limit; Infinity without a limit. */
function mostBytes(worker: PanelWorker, share: number): number {
  return worker.memory_limit === 0 ? Infinity : share * worker.memory_limit;
}

/** Bytes that a worker has room for below `share` of its limit; Infinity without a limit. */
export function freeBytes(worker: PanelWorker, share: number): number {
  return Math.max(0, mostBytes(worker, share) - Math.max(worker.process, worker.managed));
}

/** Bytes that go to workers, and to hosts for their workers to share. */
interface IAmounts {
  readonly incoming: Map<string, number>;
  readonly own: Map<string, number>;
  readonly shared: Map<string, number>;
  readonly writable: Map<string, number>;
}

/** What dropping `carried` on `target` would do. */
export function preview(state: IBoardState, carried: ICarried, target: Target): IPreview {
  if (state.readOnly) {
    return { ...NOTHING, refusal: { reason: 'read-only' } };
  }
  const steps = new Map<string, { names: string[]; placement: PlacementDict | null }>();
  const amounts: IAmounts = { incoming: new Map(), own: new Map(), shared: new Map(), writable: new Map() };
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
    drops += account(state, name, carried.parts?.get(name), placement, amounts);
  }
  if (steps.size === 0) {
    return { ...NOTHING, refusal: { reason: no } };
  }
  const { incoming, own, shared } = amounts;
  const isAtMost = carried.names.some(
    name => !state.variables.has(name) && collectionNamed(state, name) !== undefined
  );
  const wanting = [...steps.values()].some(({ placement }) => placement !== null);
  return {
    steps: [...steps.values()],
    ...amounts,
    nbytes: [...own.values(), ...shared.values()].reduce((total, nbytes) => total + nbytes, 0),
    drops,
    loses: [...steps.values()].flatMap(({ names, placement }) =>
      placement === null ? names.filter(name => state.variables.get(name)?.only_on_cluster === true) : []
    ),
    paused: [...incoming.keys()].filter(worker => state.workers.get(worker)?.status === 'paused'),
    isAtMost,
    refusal:
      wanting && state.workers.size === 0
        ? { reason: 'no-workers' }
        : isAtMost
          ? null
          : firstThatDoesNotFit(state, amounts)
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

// Adds what would be copied to `amounts`; returns the number of workers that would let go of what they have.
function account(
  state: IBoardState,
  name: string,
  parts: IParts | undefined,
  placement: PlacementDict | null,
  { incoming, own, shared, writable }: IAmounts
): number {
  const variable = state.variables.get(name);
  const nbytes = variable === undefined && parts !== undefined ? parts.nbytes : bytesOf(state, name);
  if (placement === null) {
    return variable?.held.size ?? 0;
  }
  const isCollection = variable?.collection ?? collectionNamed(state, name) !== undefined;
  // The parts of a collection are spread evenly over all workers, even where nobody says over which.
  const isSpread = isCollection && placement.kind === 'anywhere';
  const wanted = isSpread ? accepting(state) : wantedWorkers(state, variable, placement);
  const isShared = isSpread || (placement.kind === 'workers' && placement.each === false);
  const share = isShared ? 1 / Math.max(1, wanted.size) : 1;
  const sharable = isCollection || parts !== undefined ? 0 : sharableBytes(state, variable, nbytes);
  const hosts = new Map<string, number>();
  const hostOf = sharingHosts(state, variable);
  let kept = 0;
  for (const name of wanted) {
    const held =
      variable === undefined && parts !== undefined
        ? (parts.on.get(name) ?? 0) / Math.max(1, nbytes)
        : heldShare(variable, name);
    kept += Number(variable !== undefined && held > 0);
    const missing = Math.max(0, share - held);
    const worker = state.workers.get(name);
    if (missing === 0 || nbytes === 0) {
      continue;
    }
    add(incoming, name, nbytes * missing);
    const host = worker === undefined ? null : hostOf(worker.host);
    if (worker === undefined || host === null || !sharesMemory(state, worker, nbytes * missing, host)) {
      add(own, name, nbytes * missing);
      continue;
    }
    add(own, name, (nbytes - sharable) * missing);
    if (variable?.writable === true) {
      add(writable, name, sharable * missing);
    }
    // Copies of the same keys are one on a host; keys that are spread are different ones.
    const onHost = sharable * Math.max(0, share - host.there);
    hosts.set(worker.host, share < 1 ? (hosts.get(worker.host) ?? 0) + onHost : onHost);
  }
  for (const [host, onHost] of hosts) {
    add(shared, host, onHost);
  }
  return (variable?.held.size ?? 0) - kept;
}

function add(amounts: Map<string, number>, where: string, nbytes: number): void {
  if (nbytes > 0) {
    amounts.set(where, (amounts.get(where) ?? 0) + nbytes);
  }
}

// Bytes that lie in memory which a host shares, or that are taken to, as long as nobody has them.
function sharableBytes(state: IBoardState, variable: IVariable | undefined, nbytes: number): number {
  return variable !== undefined && variable.held.size > 0
    ? variable.shared
    : nbytes >= state.limits.smallest_shared
      ? nbytes
      : 0;
}

/** What counts of a host for values that its workers may share. */
interface ISharingHost {
  /** How much of the variable they share already: 0 to 1. */
  readonly there: number;
  /** Bytes that they have left together before they spill, less what they share. */
  readonly together: number;
}

// Remembers what it has found: of ten thousand workers, many ask for the same host.
function sharingHosts(state: IBoardState, variable: IVariable | undefined): (host: string) => ISharingHost {
  const known = new Map<string, ISharingHost>();
  return host => {
    let found = known.get(host);
    if (found === undefined) {
      const members = workersOn(state, host).flatMap(name => state.workers.get(name) ?? []);
      const free = members.map(worker => freeBytes(worker, state.limits.spill));
      found = {
        there:
          variable !== undefined && variable.shared > 0
            ? Math.max(0, ...members.map(({ name }) => heldShare(variable, name)))
            : 0,
        together: free.reduce((total, nbytes) => total + nbytes, -(members[0]?.host_shared ?? 0))
      };
      known.set(host, found);
    }
    return found;
  };
}

// As `fits_as_shared` in moorage/capacity.py. What a worker has not said yet the kernel will find out.
function sharesMemory(
  { limits }: IBoardState,
  worker: PanelWorker,
  nbytes: number,
  { there, together }: ISharingHost
): boolean {
  if (worker.shares === false) {
    return false;
  }
  return there > 0 || nbytes <= Math.max(mostBytes(worker, limits.pause), together);
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
      return accepting(state);
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

function accepting({ workers }: IBoardState): ReadonlySet<string> {
  return new Set([...workers].filter(([, worker]) => accepts(worker)).map(([name]) => name));
}

// The one of `workers` that has most of the variable already, or else is the emptiest: as in moorage/plan.py.
function best(
  state: IBoardState,
  variable: IVariable | undefined,
  workers: readonly string[]
): string | undefined {
  let found: string | undefined;
  let most: readonly [number, number] = [-1, -Infinity];
  for (const name of workers) {
    const worker = state.workers.get(name);
    if (worker === undefined || !accepts(worker)) {
      continue;
    }
    const rank = [heldShare(variable, name), -worker.managed] as const;
    if (rank[0] > most[0] || (rank[0] === most[0] && rank[1] > most[1])) {
      [found, most] = [name, rank];
    }
  }
  return found;
}

function isSome(name: string | undefined): name is string {
  return name !== undefined;
}

function firstThatDoesNotFit(state: IBoardState, { own, shared, writable }: IAmounts): Refusal | null {
  const hosts = new Map(shared);
  const needed = new Map(own);
  for (const [name, nbytes] of writable) {
    add(needed, name, nbytes);
  }
  for (const [name, nbytes] of needed) {
    const worker = state.workers.get(name);
    // A paused one is full, and takes its copy when it has let go of something: that is waiting, not refusing.
    if (worker === undefined || worker.status === 'paused') {
      continue;
    }
    const free = freeBytes(worker, state.limits.pause);
    if (nbytes > free) {
      return { reason: 'does-not-fit', where: name, nbytes, free };
    }
    add(hosts, worker.host, nbytes);
  }
  for (const [host, nbytes] of hosts) {
    for (const name of workersOn(state, host)) {
      const free = state.workers.get(name)?.host_free ?? -1;
      if (free >= 0 && nbytes > free) {
        return { reason: 'does-not-fit', where: host, nbytes, free };
      }
    }
  }
  return null;
}

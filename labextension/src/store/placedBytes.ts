// How many bytes placed variables take on the cluster: what workers of a host share lies there once. Pure.
import type { Counts } from './counts';
import { type IHostGroup, workersOn } from './hosts';
import type { IBoardState, IVariable } from './state';

type Board = Pick<IBoardState, 'variables' | 'workers' | 'hosts'>;

/** Bytes of all placed variables. */
export function placedBytes(state: Board): number {
  let total = 0;
  for (const variable of state.variables.values()) {
    total += variableBytes(state, variable);
  }
  return total;
}

/** Bytes of a variable on all workers. */
export function variableBytes(state: Board, { held, nbytes, shared, nkeys }: IVariable): number {
  const each = 1 / Math.max(1, nkeys);
  const own = Math.max(0, nbytes - shared) * held.total * each;
  return shared === 0 ? own : own + shared * distinct(state, held, nkeys) * each;
}

/** Which workers share memory. */
interface ISharing {
  /** Those that share nothing with others of their host. */
  readonly loners: ReadonlySet<string>;
  /** Number of workers that share -> number of hosts that have so many. */
  readonly sizes: ReadonlyMap<number, number>;
}

const onHosts = new WeakMap<Board['hosts'], ISharing>();
const ofWorkers = new WeakMap<Board['workers'], { hosts: Board['hosts']; sharing: ISharing }>();

// Looked for once, not for each variable; the same object until it is something else.
function sharingOf({ workers, hosts }: Board): ISharing {
  const known = ofWorkers.get(workers);
  if (known?.hosts === hosts) {
    return known.sharing;
  }
  const names = [...workers.values()].filter(({ shares }) => shares === false).map(({ name }) => name);
  const before = onHosts.get(hosts);
  const isSame = before?.loners.size === names.length && names.every(name => before.loners.has(name));
  const sharing = isSame ? before : { loners: new Set(names), sizes: sizesOf(hosts, new Set(names)) };
  onHosts.set(hosts, sharing);
  ofWorkers.set(workers, { hosts, sharing });
  return sharing;
}

function sizesOf(hosts: readonly IHostGroup[], loners: ReadonlySet<string>): ReadonlyMap<number, number> {
  const sizes = new Map<number, number>();
  for (const { workers } of hosts) {
    const size = workers.filter(name => !loners.has(name)).length;
    sizes.set(size, (sizes.get(size) ?? 0) + 1);
  }
  return sizes;
}

interface IKnown {
  readonly sharing: ISharing;
  readonly nkeys: number;
  readonly keys: number;
}

const known = new WeakMap<Counts, IKnown>();

// Keys that there are, host by host: of a variable that is spread each worker has other keys than its neighbours, of one that
// is copied the same. Hosts that have as many as the rest are counted together, since there may be thousands.
function distinct(state: Board, held: Counts, nkeys: number): number {
  const sharing = sharingOf(state);
  const before = known.get(held);
  if (before?.sharing === sharing && before.nkeys === nkeys) {
    return before.keys;
  }
  const { rest } = held;
  const { loners, sizes } = sharing;
  let keys = rest * loners.size;
  for (const [size, hosts] of sizes) {
    keys += hosts * Math.min(nkeys, rest * size);
  }
  const others = new Set<string>();
  for (const name of held.named()) {
    const host = state.workers.get(name)?.host;
    if (host === undefined) {
      keys += held.get(name);
    } else if (loners.has(name)) {
      keys += held.get(name) - rest;
    } else {
      others.add(host);
    }
  }
  for (const host of others) {
    const sharers = workersOn(state, host).filter(name => !loners.has(name));
    const there = sharers.reduce((sum, name) => sum + held.get(name), 0);
    keys += Math.min(nkeys, there) - Math.min(nkeys, rest * sharers.length);
  }
  known.set(held, { sharing, nkeys, keys });
  return keys;
}

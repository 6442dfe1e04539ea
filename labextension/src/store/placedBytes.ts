// How many bytes placed variables take on the cluster: what workers of a host share lies there once. Pure.
import type { Counts } from './counts';
import type { IHostGroup } from './hosts';
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

interface ILoners {
  readonly names: ReadonlySet<string>;
  readonly joined: string;
}

const loners = new WeakMap<Board['workers'], ILoners>();

// Workers that share nothing with others of their host. Looked for once, not for each variable.
function lonersOf({ workers }: Board): ILoners {
  let found = loners.get(workers);
  if (found === undefined) {
    const names = [...workers.values()].filter(({ shares }) => shares === false).map(({ name }) => name);
    found = { names: new Set(names), joined: names.join() };
    loners.set(workers, found);
  }
  return found;
}

interface IKnown {
  readonly hosts: readonly IHostGroup[];
  readonly apart: string;
  readonly keys: number;
}

const known = new WeakMap<Counts, IKnown>();

// Keys that there are, host by host. Remembered: few variables change at a time, and there may be thousands of workers.
function distinct(state: Board, held: Counts, nkeys: number): number {
  const { hosts, workers } = state;
  const before = known.get(held);
  const apart = lonersOf(state);
  if (before?.hosts === hosts && before.apart === apart.joined) {
    return before.keys;
  }
  const onHost = new Map<string, number>();
  let keys = 0;
  for (const name of held.workers()) {
    const host = apart.names.has(name) ? undefined : workers.get(name)?.host;
    if (host === undefined) {
      keys += held.get(name);
    } else {
      onHost.set(host, (onHost.get(host) ?? 0) + held.get(name));
    }
  }
  // Of a variable that is spread each worker has other keys than its neighbours, of one that is copied the same.
  for (const count of onHost.values()) {
    keys += Math.min(nkeys, count);
  }
  known.set(held, { hosts, apart: apart.joined, keys });
  return keys;
}

// What a gesture means: variables, carried to a target, give each of them a placement. Pure; whether it fits and what it
// moves is preview.ts.
import type { PlacementDict, PanelWorker } from '../protocol';
import { workersOn } from './hosts';
import type { IParts } from './parts';
import type { IBoardState, IVariable } from './state';
import { canBeSpread } from './unplaced';

/** Where variables can be dropped. */
export type Target =
  | { readonly kind: 'all-workers' }
  | { readonly kind: 'one-per-host' }
  | { readonly kind: 'spread' }
  | { readonly kind: 'release' }
  | { readonly kind: 'worker'; readonly worker: string }
  | { readonly kind: 'host'; readonly host: string };

/** Variables in the hand. */
export interface ICarried {
  readonly names: readonly string[];
  /** The worker from whose card they were taken; null: from the list. */
  readonly from: string | null;
  /** Away from where they are, rather than there too. */
  readonly move: boolean;
  /** Of these names, those of parts of collections. */
  readonly parts?: ReadonlyMap<string, IParts>;
}

/** A placement for some variables; null: release them. */
export interface IStep {
  readonly names: readonly string[];
  readonly placement: PlacementDict | null;
}

/** Why a target takes a variable no further: it is there already, or cannot be. */
export type NoStep = 'already' | 'not-placed' | 'no-parts';

/** A text that differs for different targets. */
export function targetId(target: Target): string {
  switch (target.kind) {
    case 'worker':
      return `worker:${target.worker}`;
    case 'host':
      return `host:${target.host}`;
    case 'all-workers':
    case 'one-per-host':
    case 'spread':
    case 'release':
      return target.kind;
  }
}

/** The placement that `name` gets at `target`; undefined: none, and why. */
export function placementAt(
  state: IBoardState,
  name: string,
  carried: ICarried,
  target: Target
): PlacementDict | null | NoStep {
  const variable = state.variables.get(name);
  switch (target.kind) {
    case 'all-workers':
      return variable?.placement.kind === 'everywhere' ? 'already' : { kind: 'everywhere' };
    case 'one-per-host':
      return variable?.placement.kind === 'hosts' ? 'already' : { kind: 'hosts' };
    case 'spread':
      return !canBeSpread(state, name)
        ? 'no-parts'
        : variable?.placement.kind === 'anywhere'
          ? 'already'
          : { kind: 'anywhere', copies: 1 };
    case 'release':
      return variable === undefined ? 'not-placed' : releaseAt(state, variable, carried);
    case 'worker':
    case 'host': {
      const to = target.kind === 'worker' ? target.worker : target.host;
      return variable === undefined ? pin([to]) : pinAt(state, variable, carried, to);
    }
  }
}

function releaseAt(state: IBoardState, { placement }: IVariable, { from }: ICarried): PlacementDict | null {
  if (from === null || placement.kind !== 'workers' || placement.each === false) {
    return null;
  }
  const rest = without(state, placement.workers ?? [], from);
  return rest.length === 0 ? null : { ...placement, workers: [...rest] };
}

function pinAt(
  state: IBoardState,
  variable: IVariable,
  { from, move }: ICarried,
  to: string
): PlacementDict | 'already' {
  const { placement } = variable;
  const named = placement.kind === 'workers' ? (placement.workers ?? []) : [];
  const pinned = placement.kind === 'workers' && placement.each !== false;
  const others = placement.allow_other_workers ?? false;
  const there = covers(state, named, to);
  if (from !== null) {
    // One copy goes from one worker to another, all others stay.
    if (from === to || placement.kind === 'everywhere' || there) {
      return 'already';
    }
    switch (placement.kind) {
      case 'workers':
        return { ...placement, workers: [...without(state, named, from), to] };
      case 'hosts':
        return pin([...[...variable.held.workers()].filter(worker => worker !== from), to]);
      case 'anywhere':
        return pin([to]);
    }
  }
  if (pinned && there) {
    return named.length === 1 || !move ? 'already' : pin([to], others);
  }
  return pinned && !move ? pin([...named, to], others) : pin([to], others);
}

function pin(workers: readonly string[], allowOtherWorkers = false): PlacementDict {
  return { kind: 'workers', workers: [...workers], each: true, allow_other_workers: allowOtherWorkers };
}

/** Names of the workers that `specs` (names and hosts) stand for, as far as they are here. */
export function resolve(state: IBoardState, specs: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const spec of specs) {
    if (state.workers.has(spec)) {
      found.add(spec);
    } else {
      workersOn(state, spec).forEach(worker => found.add(worker));
    }
  }
  return found;
}

function covers(state: IBoardState, specs: readonly string[], to: string): boolean {
  if (specs.includes(to)) {
    return true;
  }
  const there = resolve(state, specs);
  const asked = resolve(state, [to]);
  return asked.size > 0 && [...asked].every(worker => there.has(worker));
}

function without(state: IBoardState, specs: readonly string[], worker: string): readonly string[] {
  // Naming the host of the worker stood for it and its neighbours: these stay.
  return specs.includes(worker)
    ? specs.filter(spec => spec !== worker)
    : specs.flatMap(spec => {
        const members = resolve(state, [spec]);
        return members.has(worker) ? [...members].filter(member => member !== worker) : [spec];
      });
}

/** Whether a worker can be sent data; a paused one gets it when it resumes. */
export function accepts({ status }: PanelWorker): boolean {
  return status !== 'closing';
}

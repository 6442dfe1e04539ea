// All that the panel knows, and how a message from the kernel changes it: pure functions, no clock, no I/O.
//
// Rules. 1: what stands in `variables` and `workers` is what the kernel said, never what we hope for; hopes are in
// `intents`, and only the look of things comes from them. 2: an update applies to the version before it and to no
// other; after a gap updates are held back (`backlog`) until a snapshot closes it. 3: entries that did not change keep
// their identity, so that views can skip them. 4: names come from users, so they are keys of a Map, never of an object
// (a variable may well be called `constructor`).
import type {
  CountsChange,
  PanelCandidate,
  PanelCluster,
  PanelComputation,
  PanelError,
  PanelEvent,
  PanelLimits,
  PanelNamedMemory,
  PanelNotice,
  PanelProposal,
  PanelReply,
  PanelSnapshot,
  PanelTasks,
  PanelUpdate,
  PanelVariable,
  PanelVariableChange,
  PanelWorker,
  PanelWhy,
  PanelWhyArgs,
  PanelWorkerColumns,
  PlacementDict
} from '../protocol';
import type { IStartOptions } from './actions';
import { assignColors } from './colors';
import { Counts, type Roster } from './counts';
import { type IHostGroup, groupByHost, regroup } from './hosts';

/** A placed variable, as `PanelVariable`. */
export interface IVariable extends Readonly<Omit<PanelVariable, 'held' | 'pending'>> {
  readonly held: Counts;
  readonly pending: Counts;
  /** Version of the update that last told of a copy; 0: none since the snapshot. */
  readonly touched: number;
}

export type ConnectionStatus =
  | 'no-kernel' // no notebook or console is active
  | 'unsupported' // its kernel is not one of Python's
  | 'connecting'
  | 'connected'
  | 'absent' // moorage is not loaded there
  | 'missing' // nor installed there; the message is where it would have to be
  | 'incompatible' // it speaks another version of the protocol
  | 'dead'; // the kernel has died

export interface IConnection {
  readonly status: ConnectionStatus;
  /** What went wrong, when something did. */
  readonly message: string;
  /** Whether the kernel answers while a cell runs. */
  readonly concurrent: boolean;
}

/** What the user has asked for and the kernel has not answered yet. */
export interface IIntent {
  readonly id: number;
  readonly names: readonly string[];
  /** null: release. */
  readonly placement: PlacementDict | null;
}

/** A request that was refused, or not answered; stays until dismissed. */
export interface IFailure {
  readonly id: number;
  readonly error: PanelError;
  /** What can be asked for again by force; null where force makes no difference. */
  readonly retry: { readonly names: readonly string[]; readonly placement: PlacementDict } | null;
}

/** Why something is as it is: what the user has asked, and the kernel's answer once it is there. */
export interface IExplanation {
  readonly about: PanelWhyArgs;
  readonly answer: PanelWhy | null;
}

export interface IBoardState {
  readonly connection: IConnection;
  /** Of the last message applied; null before the first snapshot. */
  readonly version: number | null;
  /** Updates that came after a gap; null when there is no gap. */
  readonly backlog: readonly PanelUpdate[] | null;

  readonly cluster: PanelCluster | null;
  readonly workers: ReadonlyMap<string, PanelWorker>;
  /** What the workers run that are busy. */
  readonly tasks: ReadonlyMap<string, PanelTasks>;
  readonly variables: ReadonlyMap<string, IVariable>;
  readonly candidates: ReadonlyMap<string, PanelCandidate>;
  /** What fills the workers' memory without being placed, the largest first. */
  readonly ledger: ReadonlyMap<string, PanelNamedMemory>;
  /** What runs, the oldest first. */
  readonly computations: ReadonlyMap<string, PanelComputation>;
  readonly notices: ReadonlyMap<string, PanelNotice>;
  /** What assistants want done and the user has not decided yet, the oldest first. */
  readonly proposals: ReadonlyMap<string, PanelProposal>;
  /** What has happened, the latest last. */
  readonly events: ReadonlyMap<string, PanelEvent>;
  /** What would be taken back, in words; empty if nothing can be. */
  readonly undoable: string;
  readonly limits: PanelLimits;
  readonly readOnly: boolean;

  /** Names of the workers; another set only when some come or go. */
  readonly roster: Roster;
  /** Workers in the order in which they are shown. */
  readonly hosts: readonly IHostGroup[];
  /** Variable -> index of its colour. */
  readonly colors: ReadonlyMap<string, number>;
  /** Variable on its way -> the most copies of keys that it has lacked since it set out. */
  readonly moves: ReadonlyMap<string, number>;

  readonly intents: readonly IIntent[];
  readonly failures: readonly IFailure[];
  readonly explanation: IExplanation | null;
  /** What is to be filled in while there is no cluster; null: nothing. */
  readonly form: 'start' | 'attach' | null;
  /** With what a cluster was to be started that is not there yet. */
  readonly asked: IStartOptions | null;
  /** Lines that do what the last gesture did. */
  readonly magic: readonly string[];
}

/** What comes from the kernel. */
export type PanelMessage = PanelSnapshot | PanelUpdate | PanelReply;

export const INITIAL: IBoardState = {
  connection: { status: 'no-kernel', message: '', concurrent: true },
  version: null,
  backlog: null,
  cluster: null,
  workers: new Map(),
  tasks: new Map(),
  variables: new Map(),
  candidates: new Map(),
  ledger: new Map(),
  computations: new Map(),
  notices: new Map(),
  proposals: new Map(),
  events: new Map(),
  undoable: '',
  limits: { pause: 1, spill: 1, smallest_shared: 0 },
  readOnly: false,
  roster: new Set(),
  hosts: [],
  colors: new Map(),
  moves: new Map(),
  intents: [],
  failures: [],
  explanation: null,
  form: null,
  asked: null,
  magic: []
};

/** Updates that are held back at most; beyond that the snapshot that is on its way has to do. */
const MAX_BACKLOG = 200;

/** The state after a message of the kernel. */
export function apply(state: IBoardState, message: PanelSnapshot | PanelUpdate): IBoardState {
  const next = message.type === 'snapshot' ? applySnapshot(state, message) : applyUpdate(state, message);
  // Until then a form stays as it is filled in: the start may fail.
  return next.cluster?.status === 'connected' && (next.form !== null || next.asked !== null)
    ? { ...next, form: null, asked: null }
    : next;
}

/** The state of a kernel of which nothing is known yet. */
export function forget(state: IBoardState, connection: IConnection): IBoardState {
  return { ...INITIAL, connection, failures: state.failures };
}

function applySnapshot(
  state: IBoardState,
  { version, state: panel, workers: columns }: PanelSnapshot
): IBoardState {
  const workers = new Map(rows(columns).map(worker => [worker.name, worker]));
  const roster = new Set(workers.keys());
  const variables = new Map(
    Object.entries(panel.variables).map(([name, variable]) => [
      name,
      mergeVariable(undefined, variable, 0, roster)
    ])
  );
  const next: IBoardState = {
    ...state,
    version,
    backlog: null,
    cluster: panel.cluster,
    workers,
    tasks: toMap(panel.tasks),
    variables,
    candidates: toMap(panel.candidates),
    ledger: toMap(panel.ledger),
    computations: toMap(panel.computations),
    notices: toMap(panel.notices),
    proposals: toMap(panel.proposals),
    events: toMap(panel.events),
    undoable: panel.undoable,
    limits: panel.limits,
    readOnly: panel.read_only,
    explanation: stillTrue(state, { variables, workers }),
    roster,
    hosts: groupByHost(workers),
    colors: assignColors([...variables.keys()], state.colors),
    moves: movesAfter(state.moves, variables, new Set([...state.moves.keys(), ...variables.keys()]))
  };
  return (state.backlog ?? []).filter(update => update.version > version).reduce(applyUpdate, next);
}

function applyUpdate(state: IBoardState, update: PanelUpdate): IBoardState {
  if (state.version !== null && update.version <= state.version) {
    return state;
  }
  if (state.backlog !== null || state.version === null || update.version > state.version + 1) {
    return { ...state, backlog: [...(state.backlog ?? []), update].slice(-MAX_BACKLOG) };
  }
  const { changed, removed } = update;
  const workers = mergeEntries(state.workers, changed.workers, removed.workers, merge);
  // What an update says of workers comes before what it says of variables.
  const gone = removed.workers ?? [];
  const come = Object.keys(changed.workers ?? {}).filter(name => !state.roster.has(name));
  const roster = gone.length + come.length > 0 ? new Set(workers.keys()) : state.roster;
  const known = roster === state.roster ? state.variables : among(state.variables, roster, come, gone);
  const variables = mergeEntries(known, changed.variables, removed.variables, (variable, change) =>
    mergeVariable(variable, change, update.version, roster)
  );
  const moved = Object.entries(changed.workers ?? {}).flatMap(([name, { host }]) =>
    host === undefined ? [] : [name]
  );
  const touched = new Set([...(removed.variables ?? []), ...Object.keys(changed.variables ?? {})]);
  const recolor = [...touched].some(name => state.colors.has(name) !== variables.has(name));
  return {
    ...state,
    version: update.version,
    cluster: changed.cluster === undefined ? state.cluster : changed.cluster,
    workers,
    tasks: mergeEntries(state.tasks, changed.tasks, removed.tasks, replace),
    variables,
    candidates: mergeEntries(state.candidates, changed.candidates, removed.candidates, replace),
    ledger: mergeEntries(state.ledger, changed.ledger, removed.ledger, replace),
    computations: mergeEntries(state.computations, changed.computations, removed.computations, merge),
    notices: mergeEntries(state.notices, changed.notices, removed.notices, replace),
    proposals: mergeEntries(state.proposals, changed.proposals, removed.proposals, replace),
    events: mergeEntries(state.events, changed.events, removed.events, replace),
    undoable: changed.undoable ?? state.undoable,
    limits: changed.limits ?? state.limits,
    readOnly: changed.read_only ?? state.readOnly,
    explanation: stillTrue(state, { variables, workers }),
    roster,
    hosts:
      gone.length + moved.length > 0
        ? regroup(state.hosts, state.workers, workers, [...gone, ...moved])
        : state.hosts,
    colors: recolor ? assignColors([...variables.keys()], state.colors) : state.colors,
    moves: movesAfter(state.moves, variables, touched)
  };
}

// What was said of something no longer holds once that is in another state.
function stillTrue(
  before: IBoardState,
  after: Pick<IBoardState, 'variables' | 'workers'>
): IExplanation | null {
  const { explanation } = before;
  if (explanation === null) {
    return null;
  }
  const { kind, name } = explanation.about;
  if (kind === 'log') {
    return explanation; // of a moment that it tells itself
  }
  if (kind === 'worker') {
    return before.workers.get(name)?.status === after.workers.get(name)?.status ? explanation : null;
  }
  const [then, now] = [before.variables.get(name), after.variables.get(name)];
  return then?.state === now?.state && then?.stale === now?.stale ? explanation : null;
}

function rows({ name: names, ...columns }: PanelWorkerColumns): PanelWorker[] {
  const fields = Object.entries(columns);
  return names.map(
    (name, index) =>
      ({
        name,
        ...Object.fromEntries(fields.map(([field, values]) => [field, values[index]]))
      }) as PanelWorker
  );
}

function among(
  variables: ReadonlyMap<string, IVariable>,
  roster: Roster,
  come: readonly string[],
  gone: readonly string[]
): ReadonlyMap<string, IVariable> {
  const next = new Map<string, IVariable>();
  for (const [name, variable] of variables) {
    const held = variable.held.among(roster, come, gone);
    const pending = variable.pending.among(roster, come, gone);
    const isSame = held === variable.held && pending === variable.pending;
    next.set(name, isSame ? variable : { ...variable, held, pending });
  }
  return next;
}

function toMap<Entry>(entries: Record<string, Entry>): ReadonlyMap<string, Entry> {
  return new Map(Object.entries(entries));
}

function mergeEntries<Entry, Change>(
  entries: ReadonlyMap<string, Entry>,
  changed: Record<string, Change> | undefined,
  removed: readonly string[] | undefined,
  mergeOne: (entry: Entry | undefined, change: Change) => Entry
): ReadonlyMap<string, Entry> {
  if (changed === undefined && removed === undefined) {
    return entries;
  }
  const next = new Map(entries);
  removed?.forEach(name => next.delete(name));
  for (const [name, change] of Object.entries(changed ?? {})) {
    next.set(name, mergeOne(next.get(name), change));
  }
  return next;
}

function merge<Entry extends object>(entry: Entry | undefined, change: Partial<Entry>): Entry {
  // An entry that is new comes whole: the protocol says so.
  return { ...entry, ...change } as Entry;
}

function replace<Entry>(_entry: Entry | undefined, change: Entry): Entry {
  return change;
}

function mergeVariable(
  variable: IVariable | undefined,
  change: PanelVariableChange,
  version: number,
  roster: Roster
): IVariable {
  const { held, pending, ...fields } = change;
  return {
    ...merge<Omit<PanelVariable, 'held' | 'pending'>>(variable, fields),
    held: mergeCounts(variable?.held, held, roster),
    pending: mergeCounts(variable?.pending, pending, roster),
    touched: held === undefined && pending === undefined ? (variable?.touched ?? 0) : version
  };
}

function mergeCounts(counts = Counts.none, change: CountsChange | undefined, roster: Roster): Counts {
  return change === undefined ? counts : counts.after(change, roster);
}

function movesAfter(
  moves: ReadonlyMap<string, number>,
  variables: ReadonlyMap<string, IVariable>,
  touched: ReadonlySet<string>
): ReadonlyMap<string, number> {
  let next: Map<string, number> | null = null;
  for (const name of touched) {
    const variable = variables.get(name);
    const before = moves.get(name) ?? 0;
    const lacking = variable?.state === 'moving' ? variable.pending.total : 0;
    const most = lacking === 0 ? 0 : Math.max(lacking, before);
    if (most !== before) {
      next ??= new Map(moves);
      if (most === 0) {
        next.delete(name);
      } else {
        next.set(name, most);
      }
    }
  }
  return next ?? moves;
}

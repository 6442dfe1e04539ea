// GENERATED from py_src/moorage/wire/panel*.py by `python .ci/protocol_ts.py`; do not edit.
// What the kernel and the panel say to each other. Names are those of Python; sizes are in bytes.

export const PROTOCOL_VERSION = 2;

export type State = 'held' | 'moving' | 'waiting' | 'lost';

export type WorkerStatus = 'init' | 'running' | 'paused' | 'closing';

export type PlacementKind = 'anywhere' | 'everywhere' | 'workers' | 'hosts';

export type MemoryKind = 'collection' | 'result' | 'dataset' | 'other' | 'task' | 'rest';

/** A placement on the wire. Fields that do not belong to its kind are absent. */
export type PlacementDict = {
  kind: PlacementKind;
  copies?: number;
  /** what it is kept with, part by part, as the user calls it */
  beside?: string;
  workers?: string[];
  each?: boolean;
  allow_other_workers?: boolean;
};

/** Keys on each worker, or lacking there; see `counts.py`. */
export type CountsDict = {
  /** of each worker that is not among the others */
  rest: number;
  /** worker -> number of keys, where it is another */
  others: Record<string, number>;
};

/** What has changed of counts: if the rest has, all; else those of the others, or of the rest's, that have. */
export type CountsChange = {
  rest?: number;
  others: Record<string, number>;
};

/** Data of the `comm_open` of `moorage.push` and of `moorage.rpc`, both opened by the panel. */
export type PanelOpen = {
  protocol: number;
  /** the browser tab; a comm of the same target and tab is replaced by this one */
  tab: string;
  /** refuse whatever changes something, however it is asked for on this comm */
  read_only: boolean;
};

/** Data of a `comm_msg` on the comm `moorage.hello`, by which the kernel says that moorage has been loaded. */
export type PanelHello = {
  protocol: number;
};

/** Data of a `comm_close` by the kernel. */
export type PanelClosed = {
  reason: 'replaced' | 'protocol' | 'unloaded';
  message: string;
};

/** The cluster strip. */
export type PanelCluster = {
  name: string;
  /** "local", "SGECluster", "attached", ... */
  kind: string;
  status: 'starting' | 'connected' | 'lost' | 'stopped';
  /** a line on what happens or went wrong; empty when all is well */
  detail: string;
  /** TLS */
  secure: boolean;
  /** empty when there is none */
  dashboard_link: string;
  /** workers asked for */
  requested: number;
  arrived: number;
  /** asked for and not here yet */
  pending: number;
  /** this notebook can scale it */
  scalable: boolean;
  /** [minimum, maximum], or empty when adapting is off */
  adapt: number[];
  /** outlives the kernel */
  kept: boolean;
  /** this notebook can stop it */
  stoppable: boolean;
  /** it goes on when this notebook leaves it */
  leavable: boolean;
  /** seconds without use after which a kept cluster ends, or is parked */
  idle_timeout?: number;
  /** where its data is saved to then; empty if it ends */
  park?: string;
};

/** A worker and its memory, in bytes. */
export type PanelWorker = {
  name: string;
  host: string;
  nthreads: number;
  status: WorkerStatus;
  /** 0: none */
  memory_limit: number;
  /** of keys in memory; this, as `process`, without what its host shares */
  managed: number;
  process: number;
  spilled: number;
  /** of `managed`, those that are not placed */
  collections: number;
  /** of it, futures and results */
  results: number;
  /** what the workers of its host share, each value once */
  host_shared: number;
  /** what its host has left; -1: it has not said */
  host_free: number;
  /** whether it shares memory with others of its host; null: it has not said */
  shares: boolean | null;
};

/** What a worker that is busy runs, as it has said last. */
export type PanelTasks = {
  /** tasks, by the name of a function, a collection or a loop */
  running: Record<string, number>;
  /** when the first of these began, in seconds since 1970; 0: none runs */
  since: number;
  /** tasks that have been sent to it and do not run */
  waiting: number;
};

/** A placed variable as the user sees it. */
export type PanelVariable = {
  /** the name in this notebook; "name@owner" for another notebook's when the plain name is taken */
  name: string;
  /** empty for this notebook's own */
  owner: string;
  typename: string;
  detail: string;
  /** bytes of one copy of all keys */
  nbytes: number;
  /** of these, bytes that lie in memory which a host shares */
  shared: number;
  nkeys: number;
  /** its keys are parts of a Dask collection */
  collection: boolean;
  /** tasks may write to it: each worker needs room for all of it */
  writable: boolean;
  placement: PlacementDict;
  state: State;
  reason: string;
  stale: boolean;
  /** this notebook has no value of that name: to let go of it is to lose it */
  only_on_cluster: boolean;
  /** keys that workers have, as confirmed by them */
  held: CountsDict;
  /** keys that they still lack */
  pending: CountsDict;
};

/** A variable of the notebook that is not placed. */
export type PanelCandidate = {
  name: string;
  typename: string;
  detail: string;
  nbytes: number;
};

/** How far results are. */
export type PanelItems = {
  /** items; of what has no length, those begun so far */
  total: number;
  /** that have ended */
  done: number;
  /** of these */
  failed: number;
  cancelled: number;
  /** id of the loop that makes them, or empty: it has ended */
  computation: string;
};

/** What fills the workers' memory without being placed, by name; and results that have not all come home. */
export type PanelNamedMemory = {
  name: string;
  kind: MemoryKind;
  /** empty for this notebook's own, and for what is nobody's */
  owner: string;
  /** or tasks that run */
  nkeys: number;
  /** in memory, of all workers */
  nbytes: number;
  /** on disk */
  spilled: number;
  /** that have something of it */
  nworkers: number;
  /** the two of them that have most */
  most_on: string[];
  /** of results */
  items?: PanelItems;
  /** of a list, tuple, set or dict, how many it has, futures or not */
  elements?: number;
};

/** A loop of this notebook that runs. */
export type PanelComputation = {
  id: string;
  /** the function, or the loop as the cell has it */
  label: string;
  /** id of the cell that has begun it, or empty */
  cell: string;
  /** number of that cell's execution; 0: not known */
  execution: number;
  /** items; -1: not known yet */
  total: number;
  /** of these, those that have ended */
  done: number;
  /** of those, the ones with an error */
  failed: number;
  /** items per second; 0: not known yet */
  rate: number;
  cancelling: boolean;
};

/** Something that failed or that the user should know; stays until dismissed. */
export type PanelNotice = {
  id: string;
  level: 'info' | 'warning' | 'error';
  message: string;
  remedy: string;
  /** the variable it is about, or empty */
  variable: string;
};

/** Something that an assistant wants done: the user agrees or refuses. */
export type PanelProposal = {
  id: string;
  /** the magic that does it */
  line: string;
  /** what the user should know before, or empty */
  note: string;
};

/** Something that has happened. */
export type PanelEvent = {
  id: string;
  /** seconds since 1970 */
  time: number;
  kind: 'joined' | 'left' | 'placed' | 'released' | 'waiting' | 'refused' | 'notice' | 'loop';
  level: 'info' | 'warning' | 'error';
  message: string;
  /** names of those that it is about, the first of many */
  variables: string[];
  /** what helps, or empty */
  remedy: string;
  /** the magic that does this once more, or empty */
  line: string;
  /** id of the cell that it comes from, or empty */
  cell: string;
};

/** What decides whether something fits, see `capacity.py`. */
export type PanelLimits = {
  /** what a placement may fill of a worker's memory limit */
  pause: number;
  /** what of it a worker fills before it begins to write data to disk */
  spill: number;
  /** bytes of a value from which on it lies in memory that a host shares */
  smallest_shared: number;
};

/** All that the panel shows. */
export type PanelState = {
  cluster: PanelCluster | null;
  workers: Record<string, PanelWorker>;
  /** of workers that are busy */
  tasks: Record<string, PanelTasks>;
  variables: Record<string, PanelVariable>;
  candidates: Record<string, PanelCandidate>;
  ledger: Record<string, PanelNamedMemory>;
  /** the oldest first */
  computations: Record<string, PanelComputation>;
  notices: Record<string, PanelNotice>;
  /** the oldest first */
  proposals: Record<string, PanelProposal>;
  /** the latest, oldest first */
  events: Record<string, PanelEvent>;
  /** what would be taken back, in words; empty if nothing can be */
  undoable: string;
  limits: PanelLimits;
  read_only: boolean;
};

/** Workers as a table, column by column: of ten thousand, names of fields would be most of a message. */
export type PanelWorkerColumns = {
  name: string[];
  host: string[];
  nthreads: number[];
  status: WorkerStatus[];
  memory_limit: number[];
  managed: number[];
  process: number[];
  spilled: number[];
  collections: number[];
  results: number[];
  host_shared: number[];
  host_free: number[];
  shares: (boolean | null)[];
};

/** The whole state; the first message on `moorage.push`, and the answer to the request `snapshot`. */
export type PanelSnapshot = {
  type: 'snapshot';
  protocol: number;
  version: number;
  /** without its workers */
  state: PanelState;
  workers: PanelWorkerColumns;
};

/** The fields of a `PanelWorker` that changed; all of them for a worker that is new. */
export type PanelWorkerChange = {
  name?: string;
  host?: string;
  nthreads?: number;
  status?: WorkerStatus;
  memory_limit?: number;
  managed?: number;
  process?: number;
  spilled?: number;
  collections?: number;
  results?: number;
  host_shared?: number;
  host_free?: number;
  shares?: boolean | null;
};

/** The fields of a `PanelComputation` that changed; all of them for one that is new. */
export type PanelComputationChange = {
  id?: string;
  label?: string;
  cell?: string;
  execution?: number;
  total?: number;
  done?: number;
  failed?: number;
  rate?: number;
  cancelling?: boolean;
};

/**
 * The fields of a `PanelVariable` that changed; all of them for a variable that is new.
 *
 * Of `held` and `pending` only the workers that changed are listed, so that one more copy of a variable on 1,000
 * workers is one entry.
 */
export type PanelVariableChange = {
  name?: string;
  owner?: string;
  typename?: string;
  detail?: string;
  nbytes?: number;
  shared?: number;
  nkeys?: number;
  collection?: boolean;
  writable?: boolean;
  placement?: PlacementDict;
  state?: State;
  reason?: string;
  stale?: boolean;
  only_on_cluster?: boolean;
  held?: CountsChange;
  pending?: CountsChange;
};

/** Entries that are new or have changed, by name. Parts without a change are absent. */
export type PanelChanged = {
  cluster?: PanelCluster | null;
  workers?: Record<string, PanelWorkerChange>;
  tasks?: Record<string, PanelTasks>;
  variables?: Record<string, PanelVariableChange>;
  candidates?: Record<string, PanelCandidate>;
  ledger?: Record<string, PanelNamedMemory>;
  computations?: Record<string, PanelComputationChange>;
  notices?: Record<string, PanelNotice>;
  proposals?: Record<string, PanelProposal>;
  events?: Record<string, PanelEvent>;
  undoable?: string;
  limits?: PanelLimits;
  read_only?: boolean;
};

/** Names of entries that are gone; an entry of the same name in `PanelChanged` comes after. */
export type PanelRemoved = {
  workers?: string[];
  tasks?: string[];
  variables?: string[];
  candidates?: string[];
  ledger?: string[];
  computations?: string[];
  notices?: string[];
  proposals?: string[];
  events?: string[];
};

/**
 * What changed since the version before.
 *
 * What it says of workers comes first: for `rest` of variables see `counts.py`.
 */
export type PanelUpdate = {
  type: 'update';
  version: number;
  changed: PanelChanged;
  removed: PanelRemoved;
};

/** Arguments of a request that takes none. */
export type PanelNoArgs = Record<string, never>;

/** List the notebook's variables of at least so many bytes that are not placed, or stop listing them. */
export type PanelWatchArgs = {
  candidates: boolean;
  threshold: number;
};

/** Place these variables. Answered once that is recorded; the copies arrive later, by `moorage.push`. */
export type PanelPlaceArgs = {
  names: string[];
  placement: PlacementDict;
  /** also where it seems not to fit */
  force: boolean;
};

/** Let go of these variables. */
export type PanelReleaseArgs = {
  names: string[];
};

/** Start a cluster. Answered at once; `PanelCluster.status` tells how it goes. */
export type PanelStartArgs = {
  n_workers: number;
  /** of each worker; by default Dask's choice */
  threads?: number;
  /** of each worker, such as "2GB"; by default an even share */
  memory?: string;
  /** let it outlive the kernel */
  keep?: boolean;
  /** the kind, or the path of a class; by default what is configured, or local */
  using?: string;
  /** arguments of the class, each as written in a line */
  options?: Record<string, string>;
};

/** Say what a kind of cluster can be started with. */
export type PanelKindArgs = {
  /** or the path of a class; empty: what is configured */
  kind: string;
};

/** A parameter of a cluster's class. */
export type PanelParameter = {
  name: string;
  typename: string;
  /** as written in a line; empty: none */
  default: string;
  description: string;
};

/** A kind of cluster. */
export type PanelKind = {
  /** that have a name */
  kinds: string[];
  /** of its class */
  path: string;
  /** it has threads and memory of each worker instead */
  is_local: boolean;
  parameters: PanelParameter[];
};

/** A cluster of this user that outlives its kernels. */
export type PanelKeptCluster = {
  name: string;
  kind: string;
  /** where it was started */
  host: string;
  /** it has no workers until it is used */
  parked: boolean;
};

/** The clusters that can be attached to by name. */
export type PanelKept = {
  clusters: PanelKeptCluster[];
};

/** Use a cluster that runs already; an empty target stands for the one kept cluster. */
export type PanelAttachArgs = {
  target: string;
};

/** Ask for so many workers. */
export type PanelScaleArgs = {
  n: number;
};

/** Let the number of workers follow the load, between these; without them, stop doing so. */
export type PanelAdaptArgs = {
  minimum?: number;
  maximum?: number;
};

/** Let the cluster outlive the kernel, or no longer. */
export type PanelKeepArgs = {
  on: boolean;
};

/** Say why something is as it is; answered with a `PanelWhy`. */
export type PanelWhyArgs = {
  /** a variable, placed or of the notebook; a worker; what a worker has logged */
  kind: 'name' | 'worker' | 'log';
  name: string;
};

/** One cause and one remedy, as `%why` says them. */
export type PanelWhy = {
  subject: string;
  state: string;
  cause: string;
  /** empty when all is well */
  remedy: string;
  /** for a cell, that does it; empty when none does */
  line: string;
  /** of a worker that has ended: the last lines of its log */
  log: string[];
  /** of several parts or items that are not all alike: the other causes, a line each */
  others: string[];
};

/** Say in words, as the magics do; answered with a `PanelTold`. For assistants. */
export type PanelTellArgs = {
  what: 'clusters' | 'placement' | 'memory';
  /** whose placement; empty for all */
  names: string[];
};

/** What there is to say; empty if there is no cluster to tell of. */
export type PanelTold = {
  text: string;
};

/** Ask the user whether this shall be done; answered with a `PanelTold` when it is. For assistants. */
export type PanelProposeArgs = {
  op: 'place' | 'release' | 'scale';
  /** of that request */
  args: Record<string, unknown>;
};

/** Agree to a `PanelProposal`, or refuse it. Answered as the request is that was proposed. */
export type PanelDecideArgs = {
  id: string;
  agreed: boolean;
};

/**
 * Say where the parts of a variable of many keys are; answered with a `PanelParts`.
 *
 * What begins at 0 is looked at anew, the next pages are of the same moment.
 */
export type PanelPartsArgs = {
  name: string;
  start: number;
  count: number;
};

/** Some of a variable's parts, items of results or elements of a list, and what each worker has of all, or ran. */
export type PanelParts = {
  name: string;
  /** number of blocks by axis; of what is no array, of parts */
  shape: number[];
  /** of the picture that `cluster[name].plot()` draws */
  columns: number;
  /** parts */
  total: number;
  /** parts that no worker has */
  nowhere: number;
  /** those that have some, in the order of their names */
  workers: string[];
  /** theirs, in that picture */
  colors: string[];
  /** parts that they have */
  counts: number[];
  /** bytes of these */
  sizes: number[];
  /** the first of the parts that follow, column by column */
  start: number;
  /** its square in the picture, line by line */
  cells: number[];
  /** of one copy; -1: not known yet */
  nbytes: number[];
  /** numbers of workers in the list of them */
  on: number[][];
  states: string[];
  /** of items and elements, for each what went wrong with it, in a line, or nothing */
  errors?: string[];
  /** of elements, what a line has in brackets for each, such as 'a' of a dict */
  labels?: string[];
};

/** Restart the process of a worker. Answered at once. */
export type PanelRestartArgs = {
  worker: string;
};

/** Cancel what has not ended of something that runs. Answered at once. */
export type PanelCancelArgs = {
  /** of a `PanelComputation` */
  id: string;
};

/** Take a notice away. */
export type PanelDismissArgs = {
  id: string;
};

/** What the panel can ask for, with the arguments of each. */
export type PanelOps = {
  /** the reply's result is a PanelSnapshot */
  snapshot: PanelNoArgs;
  watch: PanelWatchArgs;
  place: PanelPlaceArgs;
  release: PanelReleaseArgs;
  start: PanelStartArgs;
  /** the reply's result is a PanelKind */
  kind: PanelKindArgs;
  /** the reply's result is a PanelKept */
  kept: PanelNoArgs;
  attach: PanelAttachArgs;
  scale: PanelScaleArgs;
  adapt: PanelAdaptArgs;
  keep: PanelKeepArgs;
  leave: PanelNoArgs;
  stop: PanelNoArgs;
  restart: PanelRestartArgs;
  cancel: PanelCancelArgs;
  undo: PanelNoArgs;
  dismiss: PanelDismissArgs;
  /** the reply's result is a PanelParts */
  parts: PanelPartsArgs;
  /** the reply's result is a PanelTold */
  tell: PanelTellArgs;
  /** the reply's result is a PanelTold */
  propose: PanelProposeArgs;
  decide: PanelDecideArgs;
  /** the reply's result is a PanelWhy */
  why: PanelWhyArgs;
};

/** What the panel asks, upon an act of the user. */
export type PanelRequest = {
  id: number;
  /** a key of PanelOps */
  op: string;
  args: Record<string, unknown>;
};

/** A refusal: the name of the error's class and the fields of `MoorageError`. */
export type PanelError = {
  kind: string;
  message: string;
  remedy: string;
};

/** The answer to the request of the same `id`. */
export type PanelReply = {
  type: 'reply';
  id: number;
  ok: boolean;
  result?: Record<string, unknown>;
  error?: PanelError;
};

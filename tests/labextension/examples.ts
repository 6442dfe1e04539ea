// States of a board as a kernel would send them, for tests and for the page in harness/.
import type {
  CountsDict,
  PanelCluster,
  PanelSnapshot,
  PanelState,
  PanelVariable,
  PanelWorker
} from '../../labextension/src/protocol';
import { PROTOCOL_VERSION } from '../../labextension/src/protocol';

export const MB = 1024 * 1024;
export const GB = 1024 * MB;

export function aCluster(fields: Partial<PanelCluster> = {}): PanelCluster {
  return {
    name: 'local',
    kind: 'local',
    status: 'connected',
    detail: '',
    secure: true,
    dashboard_link: 'http://127.0.0.1:8787/status',
    requested: 4,
    arrived: 4,
    pending: 0,
    scalable: true,
    adapt: [],
    kept: false,
    stoppable: true,
    leavable: false,
    ...fields
  };
}

export function aWorker(name: string, fields: Partial<PanelWorker> = {}): PanelWorker {
  return {
    name,
    host: '127.0.0.1',
    nthreads: 2,
    status: 'running',
    memory_limit: 2 * GB,
    managed: 0,
    process: 180 * MB,
    spilled: 0,
    collections: 0,
    results: 0,
    host_shared: 0,
    host_free: -1,
    shares: false,
    ...fields
  };
}

/** The fields of a variable, with the keys of each worker by its name. */
export type VariableFields = Partial<Omit<PanelVariable, 'held' | 'pending'>> & {
  held?: Record<string, number>;
  pending?: Record<string, number>;
};

export function counts(others: Record<string, number> = {}): CountsDict {
  return { rest: 0, others };
}

export function aVariable(name: string, fields: VariableFields = {}): PanelVariable {
  return {
    name,
    owner: '',
    typename: 'ndarray',
    detail: '(1000, 1000) float64',
    nbytes: 8 * MB,
    shared: 0,
    nkeys: 1,
    collection: false,
    writable: false,
    placement: { kind: 'anywhere', copies: 1 },
    state: 'held',
    reason: '',
    stale: false,
    only_on_cluster: false,
    ...fields,
    held: counts(fields.held),
    pending: counts(fields.pending)
  };
}

export function byName<Entry extends { name: string }>(...entries: Entry[]): Record<string, Entry> {
  return Object.fromEntries(entries.map(entry => [entry.name, entry]));
}

export function aState(fields: Partial<PanelState> = {}): PanelState {
  return {
    cluster: aCluster(),
    workers: byName(aWorker('alice'), aWorker('bob'), aWorker('carol'), aWorker('dave')),
    tasks: {},
    variables: {},
    candidates: {},
    ledger: {},
    computations: {},
    notices: {},
    proposals: {},
    events: {},
    undoable: '',
    limits: { pause: 0.8, spill: 0.7, smallest_shared: 100_000 },
    read_only: false,
    ...fields
  };
}

export function aSnapshot(state: PanelState = aState(), version = 0): PanelSnapshot {
  const column = <Field extends keyof PanelWorker>(field: Field): PanelWorker[Field][] =>
    Object.values(state.workers).map(worker => worker[field]);
  const workers = {
    name: column('name'),
    host: column('host'),
    nthreads: column('nthreads'),
    status: column('status'),
    memory_limit: column('memory_limit'),
    managed: column('managed'),
    process: column('process'),
    spilled: column('spilled'),
    collections: column('collections'),
    results: column('results'),
    host_shared: column('host_shared'),
    host_free: column('host_free'),
    shares: column('shares')
  };
  return { type: 'snapshot', protocol: PROTOCOL_VERSION, version, state: { ...state, workers: {} }, workers };
}

/** The local cluster at work of the design. */
export function atWork(): PanelState {
  const everywhere = { alice: 1, bob: 1, carol: 1, dave: 1 };
  return aState({
    workers: byName(
      aWorker('alice', { managed: 1090 * MB, process: 1270 * MB, collections: 120 * MB, results: 30 * MB }),
      aWorker('bob', { managed: 410 * MB, process: 900 * MB }),
      aWorker('carol', { managed: 410 * MB, process: 1740 * MB, status: 'paused', spilled: 160 * MB }),
      aWorker('dave', { managed: 1050 * MB, process: 1220 * MB, collections: 120 * MB })
    ),
    variables: byName(
      aVariable('flights', {
        typename: 'DataFrame',
        detail: '336,776 × 19',
        nbytes: 381 * MB,
        placement: { kind: 'everywhere' },
        held: everywhere
      }),
      aVariable('model', {
        typename: 'GradientBoostingRegressor',
        detail: '',
        nbytes: 12 * MB,
        placement: { kind: 'workers', workers: ['alice'], each: true },
        held: { alice: 1 }
      }),
      aVariable('grid', {
        typename: 'ndarray',
        detail: '(8192, 8192) float64',
        nbytes: 512 * MB,
        placement: { kind: 'everywhere' },
        state: 'moving',
        reason: '',
        held: { alice: 1, dave: 1 },
        pending: { bob: 1, carol: 1 }
      }),
      aVariable('parts', {
        typename: 'list',
        detail: '64 items',
        nbytes: 96 * MB,
        nkeys: 64,
        stale: true,
        held: { alice: 18, bob: 14, carol: 16, dave: 16 }
      }),
      aVariable('lookup', {
        typename: 'dict',
        detail: '12,000 items',
        nbytes: 3 * MB,
        placement: { kind: 'workers', workers: ['erin'], each: true },
        state: 'waiting',
        reason: 'erin is not here yet; kept on bob until then',
        held: { bob: 1 },
        pending: { erin: 1 }
      })
    ),
    ledger: {
      ddf: {
        name: 'ddf',
        kind: 'collection',
        owner: '',
        nkeys: 24,
        nbytes: 240 * MB,
        spilled: 160 * MB,
        nworkers: 3,
        most_on: ['carol', 'alice']
      },
      r: {
        name: 'r',
        kind: 'result',
        owner: '',
        nkeys: 12,
        nbytes: 30 * MB,
        spilled: 0,
        nworkers: 1,
        most_on: ['alice']
      },
      theirs: {
        name: 'keys of other.ipynb',
        kind: 'other',
        owner: 'other.ipynb',
        nkeys: 3,
        nbytes: 9 * MB,
        spilled: 0,
        nworkers: 2,
        most_on: ['alice', 'bob']
      }
    },
    candidates: byName(
      { name: 'airports', typename: 'DataFrame', detail: '1,458 × 8', nbytes: 2 * MB },
      { name: 'weights', typename: 'ndarray', detail: '(512, 512) float32', nbytes: 1 * MB }
    )
  });
}

/** Twelve workers on three hosts. */
export function aQueueCluster(): PanelState {
  const workers = ['node1', 'node2', 'node10'].flatMap((host, at) =>
    ['a', 'b', 'c', 'd'].map((letter, index) =>
      aWorker(`${host}-${letter}`, {
        host,
        managed: (at === 0 && index === 0 ? 381 : 0) * MB,
        process: (at === 0 && index === 0 ? 1300 : 300 + 120 * index + 80 * at) * MB
      })
    )
  );
  return aState({
    cluster: aCluster({
      name: 'sge',
      kind: 'SGECluster',
      requested: 16,
      arrived: 12,
      pending: 4,
      kept: true,
      leavable: true,
      detail: '4 jobs are waiting in the queue'
    }),
    workers: byName(...workers),
    variables: byName(
      aVariable('flights', {
        typename: 'DataFrame',
        detail: '336,776 × 19',
        nbytes: 381 * MB,
        placement: { kind: 'workers', workers: ['node1-a'], each: true },
        held: { 'node1-a': 1 }
      }),
      aVariable('coeffs@other.ipynb', {
        owner: 'other.ipynb',
        nbytes: 2 * MB,
        placement: { kind: 'hosts' },
        held: { 'node1-b': 1, 'node2-a': 1, 'node10-a': 1 }
      })
    )
  });
}

/** Many workers, many variables, all of them everywhere. */
export function aLargeCluster(workers: number, variables: number): PanelState {
  const names = Array.from({ length: workers }, (_, index) => `w${index}`);
  return aState({
    cluster: aCluster({ requested: workers, arrived: workers }),
    workers: byName(
      ...names.map((name, index) =>
        aWorker(name, { host: `host${Math.floor(index / 16)}`, managed: 300 * MB, process: 600 * MB })
      )
    ),
    variables: byName(
      ...Array.from({ length: variables }, (_, index) => ({
        ...aVariable(`v${index}`, {
          detail: '(1000, 1000) float64',
          nbytes: MB * (1 + (index % 7)),
          placement: { kind: 'everywhere' }
        }),
        held: { rest: 1, others: {} }
      }))
    )
  });
}

// A kernel that only pretends: it answers requests by changing a state of its own and pushing what changed, one copy after
// another, so that the view can be looked at and driven without Jupyter. Not a model of what the real one decides.
import type {
  PanelOps,
  PanelParts,
  PanelState,
  PanelVariable,
  PanelVariableChange,
  PlacementDict
} from '../../labextension/src/protocol';
import { type IRequester, PlacementModel, RequestError } from '../../labextension/src/store/model';
import { type VariableFields, aSnapshot, aVariable, counts } from './examples';

export class PretendKernel implements IRequester {
  constructor(
    private readonly _state: PanelState,
    private readonly _pace = 700
  ) {
    this.model = new PlacementModel(this);
    this.model.connectionChanged({ status: 'connected', message: '', concurrent: true }, true);
    this.model.receive(aSnapshot(structuredClone(_state), this._version));
  }

  readonly model: PlacementModel;
  /** What was asked, in order. */
  readonly asked: { op: string; args: unknown }[] = [];

  request<Op extends keyof PanelOps>(op: Op, args: PanelOps[Op]): Promise<Record<string, unknown>> {
    this.asked.push({ op, args });
    switch (op) {
      case 'place':
        return this._place(args as PanelOps['place']);
      case 'release':
        (args as PanelOps['release']).names.forEach(name => this._remove(name));
        return Promise.resolve({});
      case 'dismiss':
        this.tell({}, { notices: [(args as PanelOps['dismiss']).id] });
        return Promise.resolve({});
      case 'why':
        return Promise.resolve({
          subject: (args as PanelOps['why']).name,
          state: 'waiting',
          cause: 'no worker erin yet.',
          remedy: 'Start a worker of that name, or place it elsewhere.',
          line: `%pin ${(args as PanelOps['why']).name} --workers alice`,
          log: [],
          others: []
        });
      case 'parts':
        return (args as PanelOps['parts']).name === 'gone'
          ? Promise.reject(
              new RequestError({ kind: 'UnknownVariableError', message: 'There is no gone.', remedy: '' })
            )
          : Promise.resolve(
              (args as PanelOps['parts']).name === 'odd'
                ? someItems(someParts(args as PanelOps['parts']))
                : (args as PanelOps['parts']).name === 'listed'
                  ? someElements
                  : someParts(args as PanelOps['parts'])
            );
      case 'kind':
        return Promise.resolve({
          kinds: ['', 'sge'],
          path:
            (args as PanelOps['kind']).kind === 'sge'
              ? 'dask_jobqueue.SGECluster'
              : 'distributed.LocalCluster',
          is_local: (args as PanelOps['kind']).kind === '',
          parameters:
            (args as PanelOps['kind']).kind === 'sge'
              ? [
                  { name: 'queue', typename: 'str', default: '', description: 'Where jobs wait.' },
                  { name: 'nanny', typename: 'bool', default: 'true', description: '' }
                ]
              : []
        });
      case 'kept':
        return Promise.resolve({ clusters: [{ name: 'fleet', kind: 'SGECluster', host: 'login1' }] });
      case 'snapshot':
        return Promise.resolve(aSnapshot(this._state, this._version));
      default:
        return Promise.resolve({});
    }
  }

  /** Push a change of one variable. */
  change(name: string, change: VariableFields): void {
    const { held, pending, ...fields } = change;
    const told: PanelVariableChange = {
      ...fields,
      ...(held === undefined ? {} : { held: { others: held } }),
      ...(pending === undefined ? {} : { pending: { others: pending } })
    };
    this.tell({ variables: { [name]: told } });
  }

  private _place({ names, placement, force }: PanelOps['place']): Promise<Record<string, unknown>> {
    for (const name of names) {
      const nbytes = this._state.variables[name]?.nbytes ?? this._state.candidates[name]?.nbytes ?? 0;
      if (nbytes > 3e9 && !force) {
        return Promise.reject(
          new RequestError({
            kind: 'DoesNotFitError',
            message: `${name} does not fit: it needs 3.2 GiB on alice, which has 870 MiB free.`,
            remedy: 'Release something there, or start workers with more memory.'
          })
        );
      }
      this._move(name, nbytes, placement);
    }
    return Promise.resolve({});
  }

  private _move(name: string, nbytes: number, placement: PlacementDict): void {
    const candidate = this._state.candidates[name];
    const before: PanelVariable = this._state.variables[name] ?? aVariable(name, { ...candidate, nbytes });
    const there = before.held.others;
    const wanted = this._wanted(placement);
    const pending = Object.fromEntries(
      wanted.filter(worker => there[worker] === undefined).map(worker => [worker, before.nkeys])
    );
    const variable: PanelVariable = { ...before, placement, state: 'moving', pending: counts(pending) };
    this._state.variables[name] = variable;
    this.tell({ variables: { [name]: variable } }, candidate === undefined ? {} : { candidates: [name] });
    Object.keys(pending).forEach((worker, index) => {
      setTimeout(() => this._arrive(name, worker), this._pace * (1 + index));
    });
    setTimeout(
      () => {
        const surplus = Object.keys(variable.held.others).filter(worker => !wanted.includes(worker));
        const held = Object.fromEntries(surplus.map(worker => [worker, 0]));
        variable.held = counts(without(variable.held.others, surplus));
        variable.state = 'held';
        this.change(name, { state: 'held', held });
      },
      this._pace * (1 + Object.keys(pending).length)
    );
  }

  private _arrive(name: string, worker: string): void {
    const variable = this._state.variables[name];
    if (variable !== undefined) {
      variable.held.others[worker] = variable.nkeys;
      variable.pending = counts(without(variable.pending.others, [worker]));
      this.change(name, { held: { [worker]: variable.nkeys }, pending: { [worker]: 0 } });
    }
  }

  private _wanted(placement: PlacementDict): string[] {
    const all = Object.values(this._state.workers);
    switch (placement.kind) {
      case 'everywhere':
        return all.map(({ name }) => name);
      case 'hosts':
        return [...new Set(all.map(({ host }) => host))].map(
          host => all.find(worker => worker.host === host)?.name ?? ''
        );
      case 'workers':
        return all
          .filter(({ name, host }) => placement.workers?.some(spec => spec === name || spec === host))
          .map(({ name }) => name);
      case 'anywhere':
        return all.slice(0, 1).map(({ name }) => name);
    }
  }

  private _remove(name: string): void {
    this._state.variables = without(this._state.variables, [name]);
    this.tell({}, { variables: [name] });
  }

  /** Push an update. */
  tell(changed: object, removed: object = {}): void {
    this._version++;
    this.model.receive(structuredClone({ type: 'update', version: this._version, changed, removed }));
  }

  private _version = 0;
}

/** Of results, an item runs and one has failed. */
function someItems(page: PanelParts): PanelParts & Record<string, unknown> {
  const states = ['running', 'failed'];
  return {
    ...page,
    shape: [48],
    states: page.cells.map(cell => states[cell] ?? 'done'),
    errors: page.cells.map(cell => (cell === 1 ? 'ValueError: no' : ''))
  };
}

/** Of a dict of two elements: a future and a number. */
const someElements: PanelParts & Record<string, unknown> = {
  ...someParts({ name: 'listed', start: 0, count: 2 }),
  shape: [2],
  columns: 2,
  total: 2,
  nowhere: 0,
  states: ['done', 'local'],
  errors: ['', ''],
  labels: ["'a'", '2']
};

/** Of an array of six by eight blocks, on three workers; the last block is on two of them, the first is on none yet. */
function someParts({ name, start, count }: PanelOps['parts']): PanelParts & Record<string, unknown> {
  const all = Array.from({ length: 48 }, (_, cell) => cell);
  const page = all.slice(start, start + count);
  return {
    name,
    shape: [6, 8],
    columns: 8,
    total: 48,
    nowhere: 1,
    workers: ['alice', 'bob', 'carol'],
    colors: ['#4c78a8', '#f58518', '#54a24b'],
    counts: [15, 16, 17],
    sizes: [150e6, 160e6, 170e6],
    start,
    cells: page,
    nbytes: page.map(cell => (cell === 0 ? -1 : 1e7)),
    on: page.map(cell => (cell === 0 ? [] : cell === 47 ? [1, 2] : [cell % 3])),
    states: page.map(cell => (cell === 0 ? 'processing' : 'memory'))
  };
}

function without<Value>(record: Record<string, Value>, keys: readonly string[]): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

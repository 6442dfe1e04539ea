import { describe, expect, it } from 'vitest';

import type {
  CountsDict,
  PanelState,
  PanelUpdate,
  PanelWorkerColumns
} from '../../../labextension/src/protocol';
import { COLORS } from '../../../labextension/src/store/colors';
import { Counts } from '../../../labextension/src/store/counts';
import {
  type IBoardState,
  type IVariable,
  INITIAL,
  apply,
  forget
} from '../../../labextension/src/store/state';
import { aLargeCluster, aSnapshot, aState, aVariable, aWorker, byName } from '../examples';
import * as golden from '../golden';

function asRecord(counts: Counts): Record<string, number> {
  return Object.fromEntries([...counts.workers()].map(worker => [worker, counts.get(worker)]));
}

/** The state as the kernel has it, with the keys of each worker by its name. */
function asPanelState(state: IBoardState): unknown {
  const variable = ({ held, pending, touched, ...fields }: IVariable): unknown => {
    expect(touched).toBeLessThanOrEqual(state.version ?? 0); // our own
    return { ...fields, held: asRecord(held), pending: asRecord(pending) };
  };
  return {
    cluster: state.cluster,
    workers: Object.fromEntries(state.workers),
    tasks: Object.fromEntries(state.tasks),
    variables: Object.fromEntries([...state.variables].map(([name, one]) => [name, variable(one)])),
    candidates: Object.fromEntries(state.candidates),
    ledger: Object.fromEntries(state.ledger),
    computations: Object.fromEntries(state.computations),
    notices: Object.fromEntries(state.notices),
    proposals: Object.fromEntries(state.proposals),
    events: Object.fromEntries(state.events),
    undoable: state.undoable,
    limits: state.limits,
    read_only: state.readOnly
  };
}

/** The state that the kernel tells, in the same form. */
function told(panel: PanelState, columns?: PanelWorkerColumns): unknown {
  const workers = columns === undefined ? panel.workers : columnsToRows(columns);
  const expand = ({ rest, others }: CountsDict): Record<string, number> =>
    Object.fromEntries(
      Object.entries({
        ...Object.fromEntries(Object.keys(workers).map(name => [name, rest])),
        ...others
      }).filter(([, count]) => count > 0)
    );
  const variables: [string, unknown][] = Object.entries(panel.variables).map(
    ([name, { held, pending, ...fields }]) => [
      name,
      { ...fields, held: expand(held), pending: expand(pending) }
    ]
  );
  return { ...panel, workers, variables: Object.fromEntries(variables) };
}

function columnsToRows({ name: names, ...columns }: PanelWorkerColumns): Record<string, unknown> {
  const fields: [string, unknown[]][] = Object.entries(columns);
  return Object.fromEntries(
    names.map((name, at) => [
      name,
      { name, ...Object.fromEntries(fields.map(([field, all]) => [field, all[at]])) }
    ])
  );
}

function update(version: number, parts: Partial<Omit<PanelUpdate, 'version' | 'type'>> = {}): PanelUpdate {
  return { type: 'update', version, changed: {}, removed: {}, ...parts };
}

const start = (state = aState()): IBoardState => apply(INITIAL, aSnapshot(state, 5));

describe('the state of the board', () => {
  it('follows what the kernel sends to the same state', () => {
    const before = apply(INITIAL, golden.snapshot);
    expect(asPanelState(before)).toEqual(told(golden.snapshot.state, golden.snapshot.workers));
    const after = apply(before, golden.update);
    expect(asPanelState(after)).toEqual(told(golden.afterUpdate));
    expect(after.version).toBe(8);
  });

  it('keeps the old state as it was', () => {
    const before = apply(INITIAL, golden.snapshot);
    const copy = structuredClone(asPanelState(before));
    apply(before, golden.update);
    expect(asPanelState(before)).toEqual(copy);
  });

  it('ignores an update that it has already', () => {
    const state = start();
    expect(apply(state, update(5, { changed: { read_only: true } }))).toBe(state);
    expect(apply(state, update(3, { changed: { read_only: true } }))).toBe(state);
  });

  it('holds updates back after a gap until a snapshot closes it', () => {
    const variable = aVariable('x');
    const behind = [
      update(7, { changed: { variables: { x: { nbytes: 7 } } } }),
      update(8, { changed: { variables: { x: { state: 'lost' } } } })
    ].reduce(apply, start(aState({ variables: byName(variable) })));
    expect(behind.version).toBe(5);
    expect(behind.variables.get('x')?.state).toBe('held');
    expect(behind.backlog).toHaveLength(2);

    const closed = apply(behind, aSnapshot(aState({ variables: byName({ ...variable, nbytes: 7 }) }), 7));
    expect(closed.backlog).toBeNull();
    expect(closed.version).toBe(8);
    expect(closed.variables.get('x')).toMatchObject({ nbytes: 7, state: 'lost' });
  });

  it('asks again when the snapshot is older than the gap', () => {
    const behind = apply(start(), update(9));
    const still = apply(behind, aSnapshot(aState(), 6));
    expect(still.version).toBe(6);
    expect(still.backlog).toHaveLength(1);
  });

  it('takes an update before any snapshot for a gap', () => {
    expect(apply(INITIAL, update(1)).backlog).toHaveLength(1);
  });

  it('leaves alone what an update does not mention', () => {
    const state = apply(INITIAL, aSnapshot(aLargeCluster(1000, 200), 0));
    const next = apply(state, update(1, { changed: { variables: { v7: { held: { others: { w3: 0 } } } } } }));
    expect(next.workers).toBe(state.workers);
    expect(next.hosts).toBe(state.hosts);
    expect(next.colors).toBe(state.colors);
    const same = [...next.variables].filter(([name, variable]) => variable === state.variables.get(name));
    expect(same).toHaveLength(199);
    expect(next.variables.get('v7')?.held.size).toBe(999);
    expect(next.variables.get('v7')?.pending).toBe(state.variables.get('v7')?.pending);
  });

  it('takes names for names, whatever they are', () => {
    const names = ['constructor', 'toString', '__proto__', '<img src=x>'];
    const state = start(aState({ workers: {} }));
    const changed = JSON.parse(
      JSON.stringify({
        workers: Object.fromEntries(names.map(name => [`w-${name}`, aWorker(`w-${name}`)])),
        variables: {}
      })
    ) as PanelUpdate['changed'];
    const variables = JSON.parse(
      `{${names.map(name => `${JSON.stringify(name)}: ${JSON.stringify(aVariable(name, { held: { constructor: 1 } }))}`).join()}}`
    ) as PanelUpdate['changed']['variables'];
    const next = apply(state, update(6, { changed: { ...changed, variables: variables ?? {} } }));
    expect([...next.variables.keys()]).toEqual(names);
    expect(new Set(names.map(name => next.colors.get(name))).size).toBe(names.length);
    expect(next.variables.get('toString')?.held.get('valueOf')).toBe(0);
    expect(next.workers.size).toBe(names.length);
  });

  it('remembers how much a move had to do', () => {
    const moving = aVariable('x', { nkeys: 4, state: 'moving', pending: { alice: 4, bob: 4 } });
    const state = start(aState({ variables: byName(moving) }));
    expect(state.moves.get('x')).toBe(8);
    const half = apply(
      state,
      update(6, { changed: { variables: { x: { pending: { others: { alice: 0, bob: 3 } } } } } })
    );
    expect(half.moves.get('x')).toBe(8);
    const more = apply(
      half,
      update(7, { changed: { variables: { x: { pending: { others: { carol: 4, dave: 4 } } } } } })
    );
    expect(more.moves.get('x')).toBe(11);
    const done = apply(
      more,
      update(8, {
        changed: { variables: { x: { state: 'held', pending: { others: { bob: 0, carol: 0, dave: 0 } } } } }
      })
    );
    expect(done.moves.has('x')).toBe(false);
  });

  it('forgets the kernel but not what has failed', () => {
    const failure = { id: 1, error: { kind: 'E', message: 'm', remedy: '' }, retry: null };
    const state = { ...start(), failures: [failure] };
    const gone = forget(state, { status: 'dead', message: '', concurrent: true });
    expect(gone.workers.size).toBe(0);
    expect(gone.version).toBeNull();
    expect(gone.failures).toEqual([failure]);
  });
});

describe('hosts', () => {
  it('stand in the order in which people count', () => {
    const state = start(
      aState({
        workers: byName(
          aWorker('w10', { host: 'node2' }),
          aWorker('w2', { host: 'node2' }),
          aWorker('a', { host: 'node10' }),
          aWorker('b', { host: 'node1' })
        )
      })
    );
    expect(state.hosts).toEqual([
      { host: 'node1', workers: ['b'] },
      { host: 'node2', workers: ['w2', 'w10'] },
      { host: 'node10', workers: ['a'] }
    ]);
  });

  it('change when a worker comes or goes', () => {
    const state = start(aState({ workers: byName(aWorker('a')) }));
    const joined = apply(state, update(6, { changed: { workers: { b: aWorker('b') } } }));
    expect(joined.hosts[0]?.workers).toEqual(['a', 'b']);
    const left = apply(joined, update(7, { removed: { workers: ['a'] } }));
    expect(left.hosts[0]?.workers).toEqual(['b']);
  });

  it('are the same whether workers came one by one, moved and left, or are told of at once', () => {
    let state = start(aState({ workers: {} }));
    let version = 5;
    for (let i = 0; i < 60; i++) {
      const name = `w${(i * 37) % 23}`;
      const isThere = state.workers.has(name) && i % 3 === 0;
      const changed = { workers: { [name]: aWorker(name, { host: `node${(i * 7) % 11}` }) } };
      state = apply(state, update(++version, isThere ? { removed: { workers: [name] } } : { changed }));
      const atOnce = start(aState({ workers: byName(...state.workers.values()) }));
      expect(state.hosts).toEqual(atOnce.hosts);
    }
    expect(state.workers.size).toBeGreaterThan(10);
  });
});

describe('colours', () => {
  const variables = (...names: string[]): PanelState =>
    aState({ variables: byName(...names.map(name => aVariable(name))) });

  it('differ as long as there are enough', () => {
    const names = Array.from({ length: COLORS }, (_, index) => `v${index}`);
    expect(new Set(start(variables(...names)).colors.values()).size).toBe(COLORS);
  });

  it('stay with a variable while others come and go', () => {
    const state = start(variables('a', 'b', 'c'));
    const next = apply(
      state,
      update(6, { changed: { variables: { d: aVariable('d') } }, removed: { variables: ['a'] } })
    );
    expect(next.colors.get('b')).toBe(state.colors.get('b'));
    expect(next.colors.get('c')).toBe(state.colors.get('c'));
    expect(next.colors.has('a')).toBe(false);
  });

  it('are the same after a reload', () => {
    expect(start(variables('a', 'b', 'c')).colors).toEqual(start(variables('a', 'b', 'c')).colors);
  });
});

const NOBODY: ReadonlySet<string> = new Set();

function set(plain: Map<string, number>, worker: string, count: number): void {
  if (count === 0) {
    plain.delete(worker);
  } else {
    plain.set(worker, count);
  }
}

function check(counts: Counts, plain: ReadonlyMap<string, number>): void {
  expect(asRecord(counts)).toEqual(Object.fromEntries(plain));
  expect(counts.size).toBe(plain.size);
  expect(counts.total).toBe([...plain.values()].reduce((one, other) => one + other, 0));
}

describe('counts', () => {
  it('are a map that never changes, whatever is made of it', () => {
    // Against a plain map, over many small changes, more than are kept aside.
    let counts = Counts.of({ rest: 0, others: { a: 1, b: 2 } }, NOBODY);
    const plain = new Map([
      ['a', 1],
      ['b', 2]
    ]);
    for (let step = 0; step < 500; step++) {
      const changes = { [`w${(step * 7) % 90}`]: step % 3, [step % 2 ? 'a' : 'b']: (step >> 2) % 2 };
      const before = asRecord(counts);
      const next = counts.after({ others: changes }, NOBODY);
      expect(asRecord(counts)).toEqual(before);
      counts = next;
      Object.entries(changes).forEach(([worker, count]) => set(plain, worker, count));
      check(counts, plain);
    }
  });

  it('follow workers that come and go, whoever they are told of', () => {
    // Against a plain map: who comes has none, who goes is forgotten, whether the rest have any or not.
    let roster: ReadonlySet<string> = new Set(Array.from({ length: 60 }, (_, index) => `w${index}`));
    let counts = Counts.of({ rest: 2, others: { w3: 1 } }, roster);
    const plain = new Map([...roster].map(worker => [worker, worker === 'w3' ? 1 : 2]));
    for (let step = 0; step < 400; step++) {
      const come = [`n${step}`];
      const gone = [...roster].filter((_, index) => index === (step * 13) % roster.size);
      const next = new Set([...roster, ...come].filter(worker => !gone.includes(worker)));
      counts = counts.among(next, come, gone);
      roster = next;
      gone.forEach(worker => plain.delete(worker));
      check(counts, plain);
      const [one = '', other = ''] = [...roster].slice(step % 50);
      counts = counts.after({ others: { [one]: step % 3, [come[0] ?? '']: 2, [other]: 2 } }, roster);
      set(plain, one, step % 3);
      set(plain, come[0] ?? '', 2);
      set(plain, other, 2);
      check(counts, plain);
      if (step % 100 === 99) {
        counts = counts.after({ rest: step % 200 === 99 ? 0 : 2, others: Object.fromEntries(plain) }, roster);
        if (step % 200 !== 99) {
          roster.forEach(worker => plain.has(worker) || plain.set(worker, 2));
        }
        check(counts, plain);
      }
    }
  });

  it('know how many workers two have in common', () => {
    const roster = new Set(['a', 'b', 'c', 'd']);
    const of = (rest: number, others: Record<string, number>): Counts => Counts.of({ rest, others }, roster);
    const all = [of(1, {}), of(1, { a: 0 }), of(2, { b: 0, c: 1 }), of(0, { a: 1, c: 1 }), of(0, {})];
    for (const one of all) {
      for (const other of all) {
        expect(one.overlap(other)).toBe([...one.workers()].filter(worker => other.has(worker)).length);
      }
    }
  });

  it('stay the same when nothing changes', () => {
    const counts = Counts.of({ rest: 0, others: { a: 1 } }, NOBODY);
    expect(counts.after({ others: { a: 1, b: 0 } }, NOBODY)).toBe(counts);
    expect(counts.has('b')).toBe(false);
  });
});

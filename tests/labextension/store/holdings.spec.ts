import { describe, expect, it } from 'vitest';

import type { PanelUpdate } from '../../../labextension/src/protocol';
import { Holders, foremost, holdings, memory, partsShown } from '../../../labextension/src/store/holdings';
import { placedBytes } from '../../../labextension/src/store/placedBytes';
import { type IBoardState, INITIAL, apply } from '../../../labextension/src/store/state';
import {
  MB,
  aLargeCluster,
  aSnapshot,
  aVariable,
  aWorker,
  aState,
  atWork,
  byName,
  counts
} from '../examples';

const update = (version: number, variables: PanelUpdate['changed']['variables'] = {}): PanelUpdate => ({
  type: 'update',
  version,
  changed: { variables },
  removed: {}
});

describe('what workers hold', () => {
  it('is remembered from state to state, and right all the same', () => {
    let state = apply(INITIAL, aSnapshot(aLargeCluster(10, 60), 0));
    const holders = new Holders();
    for (let step = 1; step < 200; step++) {
      const held = { others: { [`w${step % 10}`]: step % 2, [`w${(3 * step) % 10}`]: 1 } };
      const one = { [`v${(7 * step) % 60}`]: step % 3 === 0 ? { nbytes: step } : { held } };
      const many = Object.fromEntries([...state.variables.keys()].map(name => [name, { pending: held }]));
      const fresh = { ...aLargeCluster(1, 1).variables['v0'], name: 'new', held: counts({ w1: 1 }) };
      state = apply(state, update(step, step === 100 ? { new: fresh } : step % 20 === 0 ? many : one));
      const of = holders.of(state.variables);
      for (const worker of state.workers.keys()) {
        expect(of(worker)).toEqual(holdings(state.variables, worker));
      }
    }
  });

  it('is the same list where nothing has changed', () => {
    const state = apply(INITIAL, aSnapshot(aLargeCluster(4, 60), 0));
    const holders = new Holders();
    const before = holders.of(state.variables)('w1');
    const after = holders.of(apply(state, update(1, { v7: { reason: 'why' } })).variables);
    expect(after('w1')).toBe(before);
  });

  it('shows what is coming first, then what came last', () => {
    const start = apply(INITIAL, aSnapshot(aLargeCluster(4, 60), 0));
    const come = apply(start, update(1, { v50: { held: { others: { w1: 0 } } } }));
    const back = apply(come, update(2, { v50: { held: { others: { w1: 1 } } } }));
    const state = apply(back, update(3, { v40: { pending: { others: { w1: 1 } } } }));
    const names = foremost(holdings(state.variables, 'w1'), 4).map(({ variable }) => variable.name);
    expect(names).toEqual(['v40', 'v50', 'v0', 'v1']);
  });
});

describe('the memory of a worker', () => {
  const of = (fields: Parameters<typeof aWorker>[1], placed: number) => {
    const state = apply(
      INITIAL,
      aSnapshot(
        aState({
          workers: byName(aWorker('alice', fields)),
          variables: byName(aVariable('x', { nbytes: placed, held: { alice: 1 } }))
        }),
        0
      )
    );
    const worker = state.workers.get('alice');
    if (worker === undefined) {
      throw new Error('alice is not there');
    }
    return memory(worker, holdings(state.variables, 'alice'));
  };

  it('adds up to what its process takes', () => {
    const found = of(
      { managed: 100 * MB, process: 150 * MB, collections: 40 * MB, results: 10 * MB },
      30 * MB
    );
    expect(found).toMatchObject({
      placed: [30 * MB],
      collections: 40 * MB,
      results: 10 * MB,
      other: 20 * MB,
      unmanaged: 50 * MB,
      used: 150 * MB
    });
  });

  it('has no more of what is named than it has, though its names are told of later', () => {
    const found = of({ managed: 60 * MB, process: 90 * MB, collections: 40 * MB, results: 20 * MB }, 30 * MB);
    expect(found).toMatchObject({ collections: 20 * MB, results: 10 * MB, other: 0, used: 90 * MB });
  });

  it('is explained as far as somebody has it', () => {
    expect(partsShown(apply(INITIAL, aSnapshot(aLargeCluster(3, 1), 0)).workers)).toEqual([
      'other',
      'unmanaged'
    ]);
    expect(partsShown(apply(INITIAL, aSnapshot(atWork(), 0)).workers)).toEqual([
      'collections',
      'results',
      'other',
      'unmanaged',
      'spilled'
    ]);
  });
});

describe('bytes on the cluster', () => {
  const everywhere = { alice: 1, bob: 1, carol: 1, dave: 1 };
  const twoHosts = (shares: boolean | null) =>
    byName(
      aWorker('alice', { host: 'one', shares }),
      aWorker('bob', { host: 'one', shares }),
      aWorker('carol', { host: 'two', shares }),
      aWorker('dave', { host: 'two', shares })
    );
  const total = (shares: boolean | null, ...variables: ReturnType<typeof aVariable>[]): number =>
    placedBytes(
      apply(INITIAL, aSnapshot(aState({ workers: twoHosts(shares), variables: byName(...variables) }), 0))
    );

  it('are counted once for each host where its workers share them', () => {
    const x = aVariable('x', { nbytes: 10 * MB, shared: 10 * MB, held: everywhere });
    expect(total(true, x)).toBe(20 * MB);
    expect(total(null, x)).toBe(20 * MB);
  });

  it('are counted for each worker where they share nothing', () => {
    expect(total(true, aVariable('x', { nbytes: 10 * MB, held: everywhere }))).toBe(40 * MB);
    expect(total(false, aVariable('x', { nbytes: 10 * MB, shared: 10 * MB, held: everywhere }))).toBe(
      40 * MB
    );
  });

  it('are of a copy what is its own, and of a host what is shared', () => {
    const x = aVariable('x', { nbytes: 10 * MB, shared: 6 * MB, held: { alice: 1, bob: 1 } });
    expect(total(true, x)).toBe(14 * MB);
  });

  it('are the same as of one copy where elements are spread', () => {
    const x = aVariable('x', {
      nbytes: 10 * MB,
      shared: 10 * MB,
      nkeys: 10,
      held: { alice: 3, bob: 2, carol: 5 }
    });
    expect(total(true, x)).toBe(10 * MB);
  });

  it('are the same after many changes as if they were counted anew', () => {
    let state = apply(INITIAL, aSnapshot(aLargeCluster(40, 1), 0));
    const counted = (of: IBoardState): number => {
      const x = of.variables.get('v0');
      let keys = 0;
      for (const { workers } of of.hosts) {
        const sharing = workers.filter(name => of.workers.get(name)?.shares !== false);
        const on = (names: readonly string[]): number =>
          names.reduce((sum, name) => sum + (x?.held.get(name) ?? 0), 0);
        keys += Math.min(1, on(sharing)) + on(workers.filter(name => !sharing.includes(name)));
      }
      return keys * MB;
    };
    for (let step = 1; step < 300; step++) {
      const one = `n${step % 30}`;
      const isJoin = step % 5 > 0;
      const came = isJoin ? { [one]: step % 2 } : {};
      const held = { others: { ...came, [`w${(7 * step) % 40}`]: Number(step % 3 > 0) } };
      const everywhere = { rest: step % 2, others: { w1: 1 - (step % 2) } };
      state = apply(state, {
        type: 'update',
        version: step,
        changed: {
          workers: isJoin
            ? { [one]: aWorker(one, { host: `host${step % 4}`, shares: null }) }
            : { [`w${step % 40}`]: { shares: step % 2 > 0 } },
          variables: { v0: { nbytes: MB, shared: MB, held: step % 50 === 0 ? everywhere : held } }
        },
        removed: step % 7 === 0 ? { workers: [`n${(step + 11) % 30}`] } : {}
      });
      expect(placedBytes(state)).toBe(counted(state));
    }
  });
});

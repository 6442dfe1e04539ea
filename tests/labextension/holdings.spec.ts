import { describe, expect, it } from 'vitest';

import type { PanelUpdate } from '../../labextension/src/protocol';
import { Holders, foremost, holdings } from '../../labextension/src/store/holdings';
import { INITIAL, apply } from '../../labextension/src/store/state';
import { aLargeCluster, aSnapshot, counts } from './examples';

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

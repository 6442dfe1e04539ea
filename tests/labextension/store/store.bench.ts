// How long the state of 1,000 workers and 200 variables takes to follow the kernel; a frame of 60 Hz is 16.7 ms.
// Run: npx vitest bench --run --config labextension/vitest.config.mts
import { bench, describe } from 'vitest';

import type { PanelUpdate } from '../../../labextension/src/protocol';
import { holdings } from '../../../labextension/src/store/holdings';
import { preview } from '../../../labextension/src/store/preview';
import { INITIAL, apply } from '../../../labextension/src/store/state';
import { GB, aLargeCluster, aSnapshot, aWorker } from '../examples';

const snapshot = aSnapshot(aLargeCluster(1000, 200));
const state = apply(INITIAL, snapshot);
const names = [...state.variables.keys()];

const update = (changed: PanelUpdate['changed']): PanelUpdate => ({
  type: 'update',
  version: 1,
  changed,
  removed: {}
});
const oneCopy = update({
  variables: { v7: { held: { others: { w3: 0 } }, pending: { others: { w3: 1 } } } }
});
const oneJoins = update({
  workers: { new: aWorker('new', { host: 'host3' }) },
  variables: Object.fromEntries(names.map(name => [name, { pending: { others: { new: 1 } } }]))
});
const oneArrives = update({
  variables: Object.fromEntries(names.map(name => [name, { held: { others: { new: 1 } } }]))
});
const allMemory = update({
  workers: Object.fromEntries([...state.workers.keys()].map(name => [name, { process: GB }]))
});

describe('1,000 workers, 200 variables, all of them everywhere', () => {
  bench('a snapshot', () => void apply(INITIAL, snapshot));
  bench('one copy of one variable', () => void apply(state, oneCopy));
  bench('a worker joins, and lacks all variables', () => void apply(state, oneJoins));
  bench('a worker has received all variables', () => void apply(state, oneArrives));
  bench('the memory of all workers', () => void apply(state, allMemory));
  bench(
    'the cards in sight',
    () => void ['w1', 'w2', 'w3', 'w4'].map(name => holdings(state.variables, name))
  );
  bench(
    'a preview on all workers',
    () => void preview(state, { names: ['v1'], from: null, move: false }, { kind: 'one-per-host' })
  );
});

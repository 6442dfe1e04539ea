import { describe, expect, it } from 'vitest';

import type { PanelState, PanelVariable } from '../../../labextension/src/protocol';
import type { ICarried, Target } from '../../../labextension/src/store/gestures';
import { preview } from '../../../labextension/src/store/preview';
import { type IBoardState, type IVariable, INITIAL, apply } from '../../../labextension/src/store/state';
import { english } from '../../../labextension/src/view/common/useTranslate';
import {
  formatBytes,
  formatBytesOf,
  placementWords,
  plainName,
  previewWords,
  stateWords
} from '../../../labextension/src/view/common/words';
import { type VariableFields, GB, MB, aSnapshot, aState, aVariable, aWorker, byName } from '../examples';

const board = (state: PanelState): IBoardState => apply(INITIAL, aSnapshot(state));

function only(fields: VariableFields): { state: IBoardState; x: IVariable } {
  const state = board(aState({ variables: byName(aVariable('x', fields)) }));
  const x = state.variables.get('x');
  if (x === undefined) {
    throw new Error('no x');
  }
  return { state, x };
}

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [921, '921 B'],
    [399_507_456, '381 MiB'],
    [1.15 * GB, '1.15 GiB']
  ])('%i bytes are %s', (nbytes, words) => expect(formatBytes(nbytes)).toBe(words));

  it('share a unit where they can', () => {
    expect(formatBytesOf(english, 1.1 * GB, 2 * GB)).toBe('1.1 of 2 GiB');
    expect(formatBytesOf(english, 900 * MB, 2 * GB)).toBe('900 MiB of 2 GiB');
  });
});

describe('a placement in words', () => {
  const workers = (names: string[], each = true): PanelVariable['placement'] => ({
    kind: 'workers',
    workers: names,
    each
  });
  it.each([
    [
      { placement: { kind: 'everywhere' }, held: { alice: 1, bob: 1 }, pending: { carol: 1 } },
      'everywhere 2/3'
    ],
    [{ placement: { kind: 'hosts' }, held: { alice: 1 } }, 'one per host 1/1'],
    [{ placement: workers(['alice']), held: { alice: 1 } }, 'pinned to alice'],
    [{ placement: workers(['alice', 'bob', 'carol']) }, 'pinned to 3 workers'],
    [{ placement: workers(['alice', 'bob'], false) }, 'spread over alice, bob'],
    [{ placement: { kind: 'anywhere' }, held: { bob: 1 } }, 'on bob'],
    [{ placement: { kind: 'anywhere' }, held: { alice: 2, bob: 1, carol: 1 }, nkeys: 4 }, 'spread over 3'],
    [{ placement: { kind: 'anywhere' } }, 'anywhere'],
    [{ placement: { kind: 'anywhere', beside: 'left' }, held: { alice: 2, bob: 2 }, nkeys: 4 }, 'with left']
  ] as [VariableFields, string][])('%o', (fields, words) => {
    expect(placementWords(english, only(fields).x)).toBe(words);
  });
});

describe('a state in words', () => {
  it('says how far a move is', () => {
    const { state } = only({ nkeys: 4, state: 'moving', held: { alice: 4 }, pending: { bob: 4 } });
    const half = apply(state, {
      type: 'update',
      version: 1,
      changed: { variables: { x: { held: { others: { bob: 2 } }, pending: { others: { bob: 2 } } } } },
      removed: {}
    });
    const x = half.variables.get('x');
    expect(x && stateWords(english, half.moves, x)).toBe('moving 2/4 parts, 4 of 8 MiB');
    expect(x && stateWords(english, half.moves, { ...x, nkeys: 1 })).toBe('moving 1/2 · 50 %');
  });

  it('says how many bytes are on their way as long as nobody has it', () => {
    const sent = { state: 'moving' as const, reason: '34 MiB of 64 MiB', pending: { alice: 1, bob: 1 } };
    const { state, x } = only(sent);
    expect(stateWords(english, state.moves, x)).toBe('34 MiB of 64 MiB');
    const { x: there } = only({ ...sent, held: { alice: 1 }, pending: { bob: 1 } });
    expect(stateWords(english, state.moves, there)).toMatch(/^moving 1.2/);
  });

  it('gives the reason for waiting and for loss', () => {
    const { state, x } = only({ state: 'waiting', reason: 'erin is not here yet' });
    expect(stateWords(english, state.moves, x)).toBe('erin is not here yet');
    expect(stateWords(english, state.moves, { ...x, state: 'lost', reason: '' })).toBe('lost');
  });

  it('leaves the notebook out of the name of its variable', () => {
    const { x } = only({});
    expect(plainName({ ...x, name: 'x@other.ipynb', owner: 'other.ipynb' })).toBe('x');
    expect(plainName({ ...x, name: 'x', owner: 'other.ipynb' })).toBe('x');
  });
});

describe('a preview in words', () => {
  const state = board(
    aState({
      workers: byName(
        aWorker('alice', { process: 1 * GB }),
        aWorker('bob', { process: 0.4 * GB }),
        aWorker('carol', { status: 'paused', process: 0.4 * GB })
      ),
      variables: byName(aVariable('x', { nbytes: 381 * MB, held: { alice: 1 } })),
      candidates: byName({ name: 'huge', typename: 'ndarray', detail: '', nbytes: 3 * GB })
    })
  );
  const say = (name: string, target: Target): string => {
    const carried: ICarried = { names: [name], from: null, move: false };
    return previewWords(english, state, carried, target, preview(state, carried, target));
  };
  it.each([
    ['x', { kind: 'worker', worker: 'bob' }, 'copies 381 MiB, 1.2 GiB free, lets go of 1 copy'],
    ['x', { kind: 'all-workers' }, 'copies 2 × 381 MiB, waits until carol resumes'],
    ['x', { kind: 'worker', worker: 'alice' }, 'copies nothing'],
    ['x', { kind: 'release' }, 'lets go of 1 copy'],
    ['huge', { kind: 'release' }, 'is not placed'],
    ['huge', { kind: 'worker', worker: 'bob' }, 'does not fit: 3 GiB to bob, 1.2 GiB free']
  ] as [string, Target, string][])('%s on %o: %s', (name, target, words) => {
    expect(say(name, target)).toBe(words);
  });
});

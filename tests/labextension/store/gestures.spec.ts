import { describe, expect, it } from 'vitest';

import type { PanelState, PlacementDict } from '../../../labextension/src/protocol';
import { type ICarried, type Target, placementAt } from '../../../labextension/src/store/gestures';
import { magicFor } from '../../../labextension/src/store/magic';
import { decide, freeBytes, preview, previewer } from '../../../labextension/src/store/preview';
import { type IBoardState, INITIAL, apply } from '../../../labextension/src/store/state';
import { english } from '../../../labextension/src/view/common/useTranslate';
import { previewWords } from '../../../labextension/src/view/common/words';
import { GB, MB, aQueueCluster, aSnapshot, aState, aVariable, aWorker, byName } from '../examples';
import { gestures, magics } from '../golden';

const board = (state: PanelState): IBoardState => apply(INITIAL, aSnapshot(state));
const pin = (...workers: string[]): PlacementDict => ({
  kind: 'workers',
  workers,
  each: true,
  allow_other_workers: false
});
const on = (worker: string): Target => ({ kind: 'worker', worker });
const carry = (name: string, fields: Partial<ICarried> = {}): ICarried => ({
  names: [name],
  from: null,
  move: false,
  ...fields
});

describe('the magic of a placement', () => {
  it.each(magics)('is $magic', ({ names, placement, force, magic }) => {
    expect(magicFor(names, placement, force)).toBe(magic);
  });
});

describe('a gesture', () => {
  const state = board(
    aState({
      variables: byName(
        aVariable('pinned', { placement: pin('alice'), held: { alice: 1 } }),
        aVariable('two', { placement: pin('alice', 'bob'), held: { alice: 1, bob: 1 } }),
        aVariable('everywhere', {
          placement: { kind: 'everywhere' },
          held: { alice: 1, bob: 1, carol: 1, dave: 1 }
        }),
        aVariable('anywhere', { held: { bob: 1 } }),
        aVariable('spread', {
          nkeys: 4,
          placement: { kind: 'workers', workers: ['alice', 'bob'], each: false },
          held: { alice: 2, bob: 2 }
        }),
        aVariable('hosts', { placement: { kind: 'hosts' }, held: { carol: 1 } }),
        aVariable('loose', { placement: { ...pin('alice'), allow_other_workers: true }, held: { alice: 1 } })
      ),
      candidates: byName({ name: 'new', typename: 'ndarray', detail: '', nbytes: MB })
    })
  );

  it.each([
    ['pins what is not placed', 'new', on('bob'), {}, pin('bob')],
    ['pins what is anywhere', 'anywhere', on('alice'), {}, pin('alice')],
    ['adds a worker to a pin', 'pinned', on('bob'), {}, pin('alice', 'bob')],
    ['moves a pin with the shift key', 'two', on('carol'), { move: true }, pin('carol')],
    ['narrows a pin with the shift key', 'two', on('alice'), { move: true }, pin('alice')],
    ['narrows what is everywhere', 'everywhere', on('bob'), {}, pin('bob')],
    ['moves one copy by its chip', 'two', on('carol'), { from: 'alice' }, pin('bob', 'carol')],
    ['gathers what is spread', 'spread', on('carol'), {}, pin('carol')],
    [
      'moves one part of what is spread by its chip',
      'spread',
      on('carol'),
      { from: 'alice' },
      { kind: 'workers', workers: ['bob', 'carol'], each: false }
    ],
    ['pins what one host has to another worker', 'hosts', on('dave'), { from: 'carol' }, pin('dave')],
    [
      'keeps what is said of tasks',
      'loose',
      on('bob'),
      {},
      { ...pin('alice', 'bob'), allow_other_workers: true }
    ],
    ['finds a pin there already', 'pinned', on('alice'), {}, 'already'],
    ['finds a chip there already', 'everywhere', on('bob'), { from: 'alice' }, 'already'],
    ['broadcasts', 'pinned', { kind: 'all-workers' }, {}, { kind: 'everywhere' }],
    ['finds a broadcast there already', 'everywhere', { kind: 'all-workers' }, {}, 'already'],
    ['puts one on each host', 'pinned', { kind: 'one-per-host' }, {}, { kind: 'hosts' }],
    ['releases', 'pinned', { kind: 'release' }, {}, null],
    ['releases one copy of a pin by its chip', 'two', { kind: 'release' }, { from: 'alice' }, pin('bob')],
    ['releases all with the last chip', 'pinned', { kind: 'release' }, { from: 'alice' }, null],
    ['cannot release what is not placed', 'new', { kind: 'release' }, {}, 'not-placed']
  ] as [string, string, Target, Partial<ICarried>, PlacementDict | null | string][])(
    '%s',
    (_, name, target, fields, placement) => {
      expect(placementAt(state, name, carry(name, fields), target)).toEqual(placement);
    }
  );

  it('takes a host for its workers', () => {
    const queue = board(
      aState({
        ...aQueueCluster(),
        variables: byName(aVariable('x', { placement: pin('node1'), held: { 'node1-a': 1 } }))
      })
    );
    expect(placementAt(queue, 'x', carry('x'), on('node1-b'))).toBe('already');
    expect(placementAt(queue, 'x', carry('x', { from: 'node1-a' }), on('node2-a'))).toEqual(
      pin('node1-b', 'node1-c', 'node1-d', 'node2-a')
    );
    expect(placementAt(queue, 'x', carry('x'), { kind: 'host', host: 'node2' })).toEqual(
      pin('node1', 'node2')
    );
  });
});

describe('a preview', () => {
  const workers = byName(
    aWorker('alice', { process: 1 * GB }),
    aWorker('bob', { process: 1.5 * GB }),
    aWorker('carol', { status: 'paused' }),
    aWorker('dave', { status: 'closing' })
  );
  const state = board(
    aState({
      workers,
      variables: byName(
        aVariable('x', { nbytes: 200 * MB, placement: pin('alice'), held: { alice: 1 } }),
        aVariable('y', { nbytes: 10 * MB, nkeys: 10, held: { alice: 5, bob: 5 } }),
        aVariable('huge', { nbytes: 900 * MB })
      )
    })
  );

  it('counts what would be copied, and what is there already not again', () => {
    const { incoming, nbytes, steps, refusal } = preview(state, carry('y'), on('bob'));
    expect([...incoming]).toEqual([['bob', 5 * MB]]);
    expect(nbytes).toBe(5 * MB);
    expect(steps).toEqual([{ names: ['y'], placement: pin('bob') }]);
    expect(refusal).toBeNull();
  });

  it('counts the copies that would be let go', () => {
    expect(preview(state, carry('y'), on('bob')).drops).toBe(1);
    expect(preview(state, carry('x'), { kind: 'release' }).drops).toBe(1);
  });

  it('leaves out workers that are going, and tells of paused ones', () => {
    const { incoming, paused } = preview(state, carry('x'), { kind: 'all-workers' });
    expect([...incoming.keys()]).toEqual(['bob', 'carol']);
    expect(paused).toEqual(['carol']);
  });

  it('refuses what does not fit, with the numbers', () => {
    expect(preview(state, carry('huge'), on('bob')).refusal).toEqual({
      reason: 'does-not-fit',
      where: 'bob',
      nbytes: 900 * MB,
      free: freeBytes(workers['bob'] ?? aWorker('bob'), 0.8)
    });
    expect(preview(state, carry('huge'), { kind: 'all-workers' }).refusal?.reason).toBe('does-not-fit');
  });

  it('adds up what is carried together', () => {
    const { incoming } = preview(state, { names: ['x', 'y'], from: null, move: false }, on('bob'));
    expect(incoming.get('bob')).toBe(205 * MB);
    const { steps } = preview(state, { names: ['x', 'y'], from: null, move: false }, { kind: 'all-workers' });
    expect(steps).toEqual([{ names: ['x', 'y'], placement: { kind: 'everywhere' } }]);
  });

  it('acts on those that are not there already', () => {
    const { steps, refusal } = preview(state, { names: ['x', 'y'], from: null, move: false }, on('alice'));
    expect(refusal).toBeNull();
    expect(steps).toEqual([{ names: ['y'], placement: pin('alice') }]);
  });

  it('refuses everything when read-only', () => {
    const refused = preview({ ...state, readOnly: true }, carry('y'), on('bob'));
    expect(refused).toMatchObject({ refusal: { reason: 'read-only' }, steps: [] });
  });

  it('sends each host one copy, to the worker that has most of it, or most room', () => {
    const queue = board(aQueueCluster());
    const { incoming } = preview(queue, carry('flights'), { kind: 'one-per-host' });
    expect([...incoming.keys()]).toEqual(['node2-a', 'node10-a']);
  });

  describe('of what workers of a host share', () => {
    const two = { shares: true, process: 0.2 * GB };
    const sharing = board(
      aState({
        workers: byName(
          aWorker('alice', two),
          aWorker('bob', two),
          aWorker('carol', { host: 'far', host_free: 2 * GB, ...two }),
          aWorker('dave', { host: 'far', ...two })
        ),
        variables: byName(
          aVariable('there', {
            nbytes: 301 * MB,
            shared: 300 * MB,
            placement: pin('alice'),
            held: { alice: 1 }
          })
        ),
        candidates: byName(
          { name: 'new', typename: 'ndarray', detail: '', nbytes: 1.7 * GB },
          { name: 'huge', typename: 'ndarray', detail: '', nbytes: 2.2 * GB },
          { name: 'more', typename: 'ndarray', detail: '', nbytes: 3 * GB }
        )
      })
    );
    const all: Target = { kind: 'all-workers' };

    it('counts it once for each host, though it is more than a worker may have', () => {
      const { own, shared, nbytes, refusal } = preview(sharing, carry('new'), all);
      expect(refusal).toBeNull();
      expect([...own]).toEqual([]);
      expect([...shared]).toEqual([
        ['127.0.0.1', 1.7 * GB],
        ['far', 1.7 * GB]
      ]);
      expect(nbytes).toBe(3.4 * GB);
    });

    it('counts nothing again of what a host has, and the rest on each worker', () => {
      const { own, shared, incoming } = preview(sharing, carry('there'), all);
      expect([...incoming.keys()]).toEqual(['bob', 'carol', 'dave']);
      expect([...own]).toEqual([
        ['bob', MB],
        ['carol', MB],
        ['dave', MB]
      ]);
      expect([...shared]).toEqual([['far', 300 * MB]]);
      expect(preview(sharing, carry('there'), on('bob')).nbytes).toBe(MB);
    });

    it('refuses what a host has no room for', () => {
      expect(preview(sharing, carry('huge'), all).refusal).toEqual({
        reason: 'does-not-fit',
        where: 'far',
        nbytes: 2.2 * GB,
        free: 2 * GB
      });
      expect(preview(sharing, carry('huge'), on('bob')).refusal).toBeNull();
    });

    it('refuses what is more than the workers of a host have together', () => {
      expect(preview(sharing, carry('more'), on('bob')).refusal).toMatchObject({
        where: 'bob',
        nbytes: 3 * GB
      });
    });

    it('leaves to the kernel what workers have not said yet', () => {
      const unknown = board(
        aState({ workers: byName(aWorker('a', { ...two, shares: null }), aWorker('b', two)) })
      );
      const candidates = sharing.candidates;
      expect(preview({ ...unknown, candidates }, carry('huge'), on('a')).refusal).toBeNull();
    });
  });

  it('has room without end where there is no limit', () => {
    expect(freeBytes(aWorker('a', { memory_limit: 0 }), 0.8)).toBe(Infinity);
  });

  it('is made once for each target of a hand', () => {
    const look = previewer(state, carry('y'));
    expect(look(on('bob'))).toBe(look(on('bob')));
    expect(look(on('alice'))).not.toBe(look(on('bob')));
  });
});

describe('what is done about a gesture', () => {
  const state = board(
    aState({
      workers: byName(aWorker('alice'), aWorker('bob')),
      variables: byName(aVariable('x', { nbytes: 100 * MB, held: { alice: 1 } })),
      candidates: byName({ name: 'huge', typename: 'ndarray', detail: '', nbytes: 9 * GB })
    })
  );
  it.each([
    ['x', 'bob', 1 * GB, 'perform'],
    ['x', 'bob', 1 * MB, 'ask'],
    ['huge', 'bob', 1 * MB, 'refuse'],
    ['x', 'alice', 0, 'perform']
  ] as const)(
    '%s to %s, where copies of more than %i bytes are confirmed: %s',
    (name, to, bytes, decision) => {
      expect(decide(preview(state, carry(name), on(to)), bytes)).toBe(decision);
    }
  );
});

describe('a gesture takes the same on both sides', () => {
  it.each(gestures.map(example => [example.what, example] as const))('%s', (_, example) => {
    const state = board(
      aState({
        workers: byName(...example.workers.map(worker => aWorker(worker.name ?? '', worker))),
        ...(example.held.length > 0
          ? {
              variables: byName(
                aVariable('x', {
                  nbytes: example.nbytes,
                  shared: example.workers.some(({ shares }) => shares) ? example.sharable : 0,
                  writable: example.writable ?? false,
                  placement: pin(...example.held),
                  held: Object.fromEntries(example.held.map(name => [name, 1]))
                })
              )
            }
          : { candidates: byName({ name: 'x', typename: '', detail: '', nbytes: example.nbytes }) })
      })
    );
    const result = preview(state, carry('x'), example.target);
    expect(result.steps).toEqual([{ names: ['x'], placement: example.placement }]);
    const own = new Map(result.own);
    for (const [name, nbytes] of result.writable) {
      own.set(name, (own.get(name) ?? 0) + nbytes);
    }
    expect(Object.fromEntries(own)).toEqual(example.private);
    expect(Object.fromEntries(result.shared)).toEqual(example.shared);
    expect(result.refusal && 'where' in result.refusal ? result.refusal.where : null).toBe(example.refused);
    expect(previewWords(english, state, carry('x'), example.target, result)).toBe(example.words);
  });
});

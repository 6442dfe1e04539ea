// The board holds still under a pressed pointer and while something is carried, and shows afterwards what has changed.
import { act, fireEvent, screen, waitFor } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { inPlace } from '../../../labextension/src/store/hosts';
import { aState, aVariable, aWorker, byName } from '../examples';
import { row, show, user, worker } from '../onBoard';
import type { PretendKernel } from '../pretend';

const candidate = (name: string): object => ({ name, typename: 'ndarray', detail: '', nbytes: 1e6 });
const names = (): (string | undefined)[] =>
  [...document.querySelectorAll<HTMLElement>('[data-moorage-variable]')].map(
    one => one.dataset['moorageVariable']
  );
const workers = (): (string | undefined)[] =>
  [...document.querySelectorAll<HTMLElement>('[data-moorage-worker]')].map(
    one => one.dataset['moorageWorker']
  );

function aBoard(): PretendKernel {
  return show(
    aState({
      workers: byName(aWorker('bob'), aWorker('carol')),
      variables: byName(aVariable('grid', { held: { bob: 1 } })),
      candidates: { one: candidate('one'), two: candidate('two') } as never
    })
  );
}

function everythingMoves(kernel: PretendKernel): void {
  act(() => {
    kernel.tell(
      { variables: byName(aVariable('two', { held: { bob: 1 } })) },
      { candidates: ['one', 'two'] }
    );
    kernel.tell({ workers: byName(aWorker('alice')) });
  });
}

describe('under a pressed pointer', () => {
  it('rows, chips and workers stay, and what has changed is shown when it has ended', async () => {
    const kernel = aBoard();
    const pressed = row('two');
    fireEvent.pointerDown(pressed);
    everythingMoves(kernel);
    expect(names()).toEqual(['grid', 'one', 'two']);
    expect(workers()).toEqual(['bob', 'carol']);
    expect(row('two')).toBe(pressed);
    fireEvent.pointerUp(window);
    await waitFor(() => expect(names()).toEqual(['grid', 'two']));
    expect(workers()).toEqual(['alice', 'bob', 'carol']);
  });

  it('nothing stays so when the press is lost', async () => {
    const kernel = aBoard();
    fireEvent.pointerDown(row('two'));
    everythingMoves(kernel);
    fireEvent.pointerMove(window, { buttons: 0 });
    await waitFor(() => expect(names()).toEqual(['grid', 'two']));
  });

  it('the end of a press just before does not end this one', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const kernel = aBoard();
      fireEvent.pointerDown(row('two'));
      fireEvent.pointerUp(window);
      fireEvent.pointerDown(row('two'));
      act(() => void vi.runAllTimers());
      everythingMoves(kernel);
      expect(names()).toEqual(['grid', 'one', 'two']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('a press beside all that can be taken keeps nothing', () => {
    const kernel = aBoard();
    fireEvent.pointerDown(screen.getByRole('heading', { name: /^Variables/ }));
    everythingMoves(kernel);
    expect(names()).toEqual(['grid', 'two']);
  });
});

it('while something is carried the list stays, and a worker that comes pushes no other away', async () => {
  const kernel = aBoard();
  row('grid').focus();
  await user.keyboard('{Enter}');
  everythingMoves(kernel);
  expect(names()).toEqual(['grid', 'one', 'two']);
  expect(workers()).toEqual(['bob', 'carol', 'alice']);
  act(() => kernel.tell({ workers: { carol: { status: 'paused' } } }));
  expect(worker('carol').textContent).toContain('paused'); // targets say what is so now
  act(() => kernel.tell({}, { workers: ['bob'] }));
  expect(workers()).toEqual(['bob', 'carol', 'alice']);
  expect(worker('bob').textContent).toContain('closing');
  await user.keyboard('{End}{ArrowUp}{ArrowUp}');
  expect(worker('bob').className).toContain('jp-mod-over');
  await user.keyboard('{Escape}');
  expect(names()).toEqual(['grid', 'two']);
  expect(workers()).toEqual(['alice', 'carol']);
});

it('a row is the same element before and after it is placed, and keeps the focus', () => {
  const kernel = aBoard();
  const element = row('one');
  element.focus();
  act(() =>
    kernel.tell({ variables: byName(aVariable('one', { held: { bob: 1 } })) }, { candidates: ['one'] })
  );
  expect(row('one')).toBe(element);
  expect(document.activeElement).toBe(element);
});

it('workers keep their places, also of those that have gone; those that have come stand at the end', () => {
  const before = [
    { host: 'a', workers: ['a2', 'a3'] },
    { host: 'c', workers: ['c1'] }
  ];
  const now = [
    { host: 'a', workers: ['a1', 'a3'] },
    { host: 'b', workers: ['b1'] },
    { host: 'c', workers: ['c0', 'c1'] }
  ];
  expect(inPlace(before, now)).toEqual([...before.slice(0, 1), { host: 'c', workers: ['c1', 'c0'] }, now[1]]);
  expect(inPlace(before.slice(0, 1), now)).toEqual([{ host: 'a', workers: ['a2', 'a3', 'a1'] }]);
});

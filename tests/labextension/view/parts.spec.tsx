import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { PanelState } from '../../../labextension/src/protocol';
import { preview } from '../../../labextension/src/store/preview';
import { INITIAL, apply } from '../../../labextension/src/store/state';
import { MB, aSnapshot, aState, aVariable, atWork, byName } from '../examples';
import { magic, row, said, show, user } from '../onBoard';
import type { PretendKernel } from '../pretend';

const asked = (kernel: PretendKernel, op: string): unknown[] =>
  kernel.asked.filter(one => one.op === op).map(({ args }) => args);
const parts = (name: string): HTMLElement | null =>
  document.querySelector<HTMLElement>(`[data-moorage-parts="${name}"]`);
const ddf = (): HTMLElement => screen.getByRole('button', { name: /^ddf collection/ });
const withCollection = (): PanelState => ({
  ...atWork(),
  variables: byName(
    aVariable('frame', {
      typename: 'DataFrame',
      detail: '24 partitions',
      nbytes: 240 * MB,
      nkeys: 24,
      collection: true,
      placement: { kind: 'workers', workers: ['alice', 'bob'], each: false },
      held: { alice: 12, bob: 12 }
    })
  )
});

describe('a row of many parts', () => {
  it('asks for its parts when it is opened, and not before', async () => {
    const kernel = show(withCollection());
    expect(asked(kernel, 'parts')).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Show the parts of frame' }));
    await waitFor(() => expect(asked(kernel, 'parts')).toEqual([{ name: 'frame', start: 0, count: 2000 }]));
    const opened = within(await screen.findByRole('list', { name: 'Spread over the workers' }));
    expect(opened.getAllByRole('listitem').map(item => item.textContent)).toEqual([
      'alice15 parts · 143 MiB',
      'bob16 parts · 153 MiB',
      'carol17 parts · 162 MiB',
      '1 part is on no worker yet'
    ]);
    await user.click(screen.getByRole('button', { name: 'Hide the parts of frame' }));
    expect(parts('frame')).toBeNull();
  });

  it('is drawn as a grid in the colours of the workers', async () => {
    show(withCollection());
    await user.click(screen.getByRole('button', { name: 'Show the parts of frame' }));
    const picture = await screen.findByRole('img', { name: /^frame: 48 parts; alice: 15 parts/ });
    const colours = [...picture.querySelectorAll('path')].map(path => path.getAttribute('fill'));
    expect(colours).toEqual([null, '#f58518', '#54a24b', '#4c78a8']);
    const squares = picture.querySelector('[fill="#54a24b"]')?.getAttribute('d')?.split('z') ?? [];
    expect(squares[0]).toBe('M2 0h0.88v0.88h-0.88'); // block 2 is the third of the first line
    expect(squares.at(-2)).toBe('M7.44 5h0.44v0.88h-0.44'); // the last shares its square with bob
  });

  it('is one row and stays open when it is placed, though the ledger has not heard of that yet', async () => {
    const kernel = show(atWork());
    const button = { name: 'Show the parts of ddf' };
    await user.click(screen.getByRole('button', button));
    await waitFor(() => expect(parts('ddf')).not.toBeNull());
    const { ddf: variable } = byName(aVariable('ddf', { nkeys: 24, collection: true, held: { bob: 24 } }));
    act(() => kernel.tell({ variables: { ddf: variable } }));
    await waitFor(() => expect(document.querySelector('[data-moorage-named="ddf"]')).toBeNull());
    expect(document.querySelectorAll('[data-moorage-parts="ddf"]')).toHaveLength(1);
    act(() => kernel.tell({ variables: { ddf: { stale: true } } }));
    expect(document.querySelector('[data-moorage-named="ddf"]')).not.toBeNull();
    expect(document.querySelectorAll('[data-moorage-parts="ddf"]')).toHaveLength(1);
  });

  it('opens and closes by the arrow keys', async () => {
    show(withCollection());
    act(() => row('frame').focus());
    await user.keyboard('{ArrowRight}');
    expect(await screen.findByRole('listbox', { name: 'Parts' })).toBeTruthy();
    expect(row('frame').getAttribute('aria-expanded')).toBe('true');
    await user.keyboard('{ArrowLeft}');
    expect(parts('frame')).toBeNull();
  });

  it('asks once more when something of it has moved', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    try {
      const kernel = show(withCollection());
      screen.getByRole('button', { name: 'Show the parts of frame' }).click();
      await vi.waitFor(() => expect(asked(kernel, 'parts')).toHaveLength(1));
      act(() => kernel.change('frame', { held: { alice: 11, carol: 1 } }));
      act(() => kernel.change('frame', { held: { alice: 10, carol: 2 } }));
      await act(() => vi.advanceTimersByTimeAsync(1500));
      expect(asked(kernel, 'parts')).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it('says in its place why they are not told', async () => {
    const kernel = show(aState({ variables: byName(aVariable('gone', { nkeys: 4, held: { alice: 4 } })) }));
    await user.click(screen.getByRole('button', { name: 'Show the parts of gone' }));
    expect(await screen.findByText('There is no gone.')).toBeTruthy();
    expect(kernel.model.state.failures).toEqual([]);
  });

  it('is nothing to open where there is one', () => {
    show(aState({ variables: byName(aVariable('one', { held: { alice: 1 } })) }));
    expect(screen.queryByRole('button', { name: /^Show the parts/ })).toBeNull();
  });
});

describe('some parts', () => {
  beforeEach(() => {
    vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(152); // jsdom lays nothing out
  });
  afterEach(() => vi.restoreAllMocks());

  const open = async (state = withCollection()): Promise<[PretendKernel, HTMLElement]> => {
    const kernel = show(state);
    await user.click(screen.getByRole('button', { name: 'Show the parts of frame' }));
    return [kernel, await screen.findByRole('listbox', { name: 'Parts' })];
  };
  const option = (position: string): HTMLElement =>
    screen.getByRole('option', { name: new RegExp(`^${position}`) });

  it('are taken up by keyboard, several at once, by as few names as there are boxes of them', async () => {
    const [kernel, list] = await open();
    act(() => list.focus());
    await user.keyboard('{ArrowDown}{Shift>}{ArrowDown}{ArrowDown}{/Shift}');
    expect(screen.getAllByRole('option', { selected: true }).map(one => one.textContent)).toEqual([
      '0, 1bob9.54 MiB',
      '0, 2carol9.54 MiB',
      '0, 3alice9.54 MiB'
    ]);
    await user.keyboard('{Enter}');
    expect(said()).toContain('Picked up frame[0,1:4].');
    await user.keyboard('{End}{ArrowUp}'); // dave is the last of the workers
    expect(said()).toMatch(/^carol: copies 19\.1 MiB/); // one of three is there
    await user.keyboard('{Enter}');
    expect(asked(kernel, 'place')).toEqual([
      {
        names: ['frame[0,1:4]'],
        placement: { kind: 'workers', workers: ['carol'], each: true, allow_other_workers: false },
        force: false
      }
    ]);
    expect(magic()).toBe('%pin frame[0,1:4] --workers carol');
    expect(document.activeElement).toBe(list);
  });

  it('are selected as rows are, and in the picture by rectangle', async () => {
    const [, list] = await open();
    await user.click(option('0, 1'));
    await user.keyboard('{Control>}');
    await user.click(option('0, 4'));
    await user.keyboard('{/Control}');
    expect(screen.getAllByRole('option', { selected: true })).toHaveLength(2);
    act(() => list.focus());
    await user.keyboard('{Escape}');
    expect(screen.queryAllByRole('option', { selected: true })).toEqual([]);
    await user.keyboard('{Control>}a{/Control}');
    const picture = screen.getByRole('img', { name: /^frame: 48 parts/ });
    const outlined = (): number =>
      picture.querySelector('.jp-mod-selected')?.getAttribute('d')?.split('M').length ?? 1;
    expect(outlined() - 1).toBe(48);
    picture.getBoundingClientRect = () => new DOMRect(0, 0, 80, 60);
    const at = (x: number, y: number, shiftKey: boolean): boolean =>
      fireEvent.click(picture, { clientX: x, clientY: y, shiftKey });
    at(15, 5, false);
    at(35, 25, true);
    expect(outlined() - 1).toBe(9);
    fireEvent.mouseMove(picture, { clientX: 25, clientY: 15 });
    expect(picture.dataset['moorageState']).toBe('memory');
    fireEvent.contextMenu(picture, { clientX: 25, clientY: 15 });
    expect((await screen.findByRole('menu')).textContent).toContain('frame[0:3,1:4]');
  });

  it('say why they are not there by a click', async () => {
    const [kernel] = await open();
    await user.click(option('0, 1'));
    expect(asked(kernel, 'why')).toEqual([]);
    await user.click(option('0, 0'));
    expect(asked(kernel, 'why')).toEqual([{ kind: 'name', name: 'frame[0,0]' }]);
    await user.click(option('0, 1'));
    await user.keyboard('?');
    expect(asked(kernel, 'why')).toHaveLength(2);
  });

  it('that are items of results have a state and an error, and can be asked about but not taken up', async () => {
    const { r, ...ledger } = atWork().ledger;
    if (r === undefined) {
      throw new Error('no results');
    }
    const kernel = show({
      ...atWork(),
      ledger: {
        ...ledger,
        odd: { ...r, name: 'odd', items: { total: 48, done: 46, failed: 1, cancelled: 2, computation: '' } }
      }
    });
    expect(document.querySelector('[data-moorage-named="odd"]')?.textContent).toContain(
      '46 of 48 items, 1 failed, 2 cancelled'
    );
    await user.click(screen.getByRole('button', { name: 'Show the items of odd' }));
    const list = await screen.findByRole('listbox', { name: 'Items' });
    const [first, second] = await within(list).findAllByRole('option');
    expect(first?.textContent).toContain('running');
    expect(second?.textContent).toContain('failed on bob: ValueError: no');
    expect(list.querySelector('[data-moorage-part]')).toBeNull();
    await user.click(second as HTMLElement);
    expect(asked(kernel, 'why')).toEqual([{ kind: 'name', name: 'odd[1]' }]);
  });

  it('that are elements of a dict of futures are called as in a line, and a single future has none', async () => {
    const { r, ...ledger } = atWork().ledger;
    if (r === undefined) {
      throw new Error('no results');
    }
    const rows = { listed: { ...r, name: 'listed', elements: 2 }, one: { ...r, name: 'one', nkeys: 1 } };
    const kernel = show({ ...atWork(), ledger: { ...ledger, ...rows } });
    expect(screen.queryByRole('button', { name: 'Show the items of one' })).toBeNull();
    await user.click(screen.getByRole('button', { name: 'Show the items of listed' }));
    const list = await screen.findByRole('listbox', { name: 'Items' });
    const [first, second] = await within(list).findAllByRole('option');
    expect(first?.textContent).toContain("'a'done");
    expect(second?.textContent).toContain('in the notebook');
    expect(list.querySelector('[data-moorage-part]')).toBeNull();
    await user.click(first as HTMLElement);
    expect(asked(kernel, 'why')).toEqual([{ kind: 'name', name: "listed['a']" }]);
  });

  it('of another notebook have no name here', async () => {
    const name = 'frame@other.ipynb';
    const frame = aVariable(name, { owner: 'other.ipynb', nkeys: 24, collection: true, held: { alice: 24 } });
    show({ ...atWork(), variables: byName(frame) });
    await user.click(screen.getByRole('button', { name: `Show the parts of ${name}` }));
    await user.click(await screen.findByRole('option', { name: /^0, 1/ }));
    expect(screen.queryAllByRole('option', { selected: true })).toEqual([]);
  });
});

describe('a collection that is not placed', () => {
  it('can be opened, too', async () => {
    const kernel = show(atWork());
    act(() => ddf().focus());
    await user.keyboard('{ArrowRight}');
    await waitFor(() => expect(asked(kernel, 'parts')).toHaveLength(1));
    expect(parts('ddf')).not.toBeNull();
  });

  it('is placed by keyboard, and spread where that is wanted', async () => {
    const kernel = show(atWork());
    act(() => ddf().focus());
    await user.keyboard('{Enter}{ArrowDown}{ArrowDown}');
    expect(said()).toContain('Spread: copies at most');
    await user.keyboard('{Enter}');
    expect(asked(kernel, 'place')).toEqual([
      { names: ['ddf'], placement: { kind: 'anywhere', copies: 1 }, force: false }
    ]);
    expect(magic()).toBe('%scatter ddf');
  });

  it('is refused by nothing that only the kernel can know', () => {
    const state = apply(INITIAL, aSnapshot(atWork()));
    const carried = { names: ['ddf'], from: null, move: false };
    const result = preview(state, carried, { kind: 'all-workers' });
    expect(result.isAtMost).toBe(true);
    expect(result.incoming.get('bob')).toBe(400 * MB); // what is spilled comes along
    expect(result.refusal).toBeNull();
  });

  it('is of parts, which one array is not', () => {
    const state = apply(INITIAL, aSnapshot(atWork()));
    const carried = { names: ['grid'], from: null, move: false };
    expect(preview(state, carried, { kind: 'spread' }).refusal).toEqual({ reason: 'no-parts' });
  });
});

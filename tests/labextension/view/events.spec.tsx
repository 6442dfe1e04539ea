import { act, screen, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import type { PanelEvent } from '../../../labextension/src/protocol';
import { aState } from '../examples';
import { goToCell, insertCell, news, said, show, user } from '../onBoard';

const anEvent = (id: string, message: string, fields: Partial<PanelEvent> = {}): PanelEvent => ({
  id,
  time: 1_700_000_000 + Number(id),
  kind: 'left',
  level: 'info',
  message,
  variables: [],
  remedy: '',
  line: '',
  cell: '',
  ...fields
});
const LEFT = anEvent('1', 'bob left: nothing placed is missing');
const KILLED = anEvent('2', '<b>al</b> left unexpectedly: x restored on bob after 0.3 s', {
  level: 'warning',
  variables: ['x']
});
const PLACED = anEvent('3', 'y placed on bob', {
  kind: 'placed',
  variables: ['y'],
  line: '%pin y --workers bob'
});
const REFUSED = anEvent('4', 'It needs 3 GiB.', {
  kind: 'refused',
  level: 'error',
  variables: ['huge'],
  remedy: 'Release something.'
});

const last = (): HTMLElement | null => document.querySelector('[data-moorage-event]');
const listed = (): string[] =>
  within(screen.getByRole('list', { name: 'Latest events' }))
    .getAllByRole('listitem')
    .map(item => item.textContent.replace(/^[\d:]+ ?([AP]M)?/, ''));

describe('what has happened', () => {
  it('is announced also if something else has happened by then', () => {
    const kernel = show(aState({ events: { 1: LEFT } }));
    const joined = anEvent('3', 'al joined', { kind: 'joined' });
    act(() => kernel.tell({ events: { 2: KILLED, 3: joined } }));
    expect(news()).toContain(KILLED.message);
    expect(news()).not.toContain(LEFT.message);
    expect(said()).toBe(''); // it does not interrupt what somebody does
  });

  it('is announced when something waits, and when that is over', () => {
    const kernel = show(aState());
    const waits = anEvent('2', 'y waits: no worker bob yet', { kind: 'waiting', variables: ['y'] });
    act(() => kernel.tell({ events: { 2: waits } }));
    expect(news()).toBe(waits.message);
    act(() => kernel.tell({ events: { 3: PLACED } }));
    expect(news()).toBe(PLACED.message);
    act(() => kernel.tell({ events: { 4: { ...PLACED, id: '4', message: 'y placed anywhere' } } }));
    expect(news()).toBe(PLACED.message); // nobody waits for that
  });

  it('is announced once, though the last event goes', () => {
    const kernel = show(aState({ events: { 1: LEFT, 3: PLACED } }));
    act(() => kernel.tell({ events: { 2: KILLED } }, { events: ['3'] }));
    expect(news()).toBe(KILLED.message);
  });

  it('leads to the cell that it comes from, while that is there', async () => {
    show(
      aState({
        events: {
          1: anEvent('1', 'f: 1 of 3 failed', { kind: 'loop', cell: 'cell-1' }),
          2: anEvent('2', 'g: 1 of 3 failed', { kind: 'loop', cell: 'gone' })
        }
      })
    );
    await user.click(last() as HTMLElement);
    await user.click(screen.getByRole('button', { name: 'Go to the cell' }));
    expect(goToCell).toHaveBeenCalledWith('cell-1');
  });

  it('is not there before something has', () => {
    show(aState());
    expect(last()).toBeNull();
  });

  it('is in the footer with its time, and announced when it happens', () => {
    const kernel = show(aState({ events: { 1: LEFT } }));
    expect(last()?.textContent).toContain(LEFT.message);
    expect(news()).toBe('');
    act(() => kernel.tell({ events: { 2: KILLED } }));
    expect(last()?.textContent).toContain(KILLED.message);
    expect(last()?.dataset['moorageEvent']).toBe('warning');
    expect(last()?.querySelector('time')?.dateTime).toBe('2023-11-14T22:13:22.000Z');
    expect(news()).toBe(KILLED.message);
  });

  it('opens into a list, the newest first, which is filtered and closes by Escape', async () => {
    show(aState({ events: { 1: LEFT, 2: KILLED } }));
    await user.click(last() as HTMLElement);
    expect(listed()).toEqual([KILLED.message, LEFT.message]);
    await user.type(screen.getByRole('searchbox', { name: 'Filter events' }), 'BOB LEFT');
    expect(listed()).toEqual([LEFT.message]);
    await user.keyboard('{Escape}');
    expect(screen.queryByRole('list', { name: 'Latest events' })).toBeNull();
    expect(last()?.getAttribute('aria-expanded')).toBe('false');
  });

  it('says what helps and what does it again, and is filtered by kind and by variable', async () => {
    show(aState({ events: { 1: LEFT, 2: KILLED, 3: PLACED, 4: REFUSED } }));
    await user.click(last() as HTMLElement);
    expect(screen.getByText('Release something.')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Insert as a cell' }));
    expect(insertCell).toHaveBeenCalledWith('%pin y --workers bob');
    const kinds = screen.getByRole('combobox', { name: 'Kind of events' });
    await user.selectOptions(kinds, 'Workers');
    expect(listed()).toEqual([KILLED.message, LEFT.message]);
    await user.selectOptions(kinds, 'Trouble');
    expect(listed()).toEqual([`${REFUSED.message}${REFUSED.remedy}`, KILLED.message]);
    await user.type(screen.getByRole('searchbox', { name: 'Filter events' }), 'huge');
    expect(listed()).toEqual([`${REFUSED.message}${REFUSED.remedy}`]);
  });

  it('is not announced where the user has done it', () => {
    const kernel = show(aState());
    act(() => kernel.tell({ events: { 3: PLACED } }));
    expect(last()?.textContent).toContain(PLACED.message);
    expect(said()).toBe('');
  });

  it('forgets what the kernel has forgotten', () => {
    const kernel = show(aState({ events: { 1: LEFT } }));
    act(() => kernel.tell({}, { events: ['1'] }));
    expect(last()).toBeNull();
  });
});

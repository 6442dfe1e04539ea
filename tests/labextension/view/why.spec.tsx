import { act, fireEvent, screen, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import type { PanelNamedMemory } from '../../../labextension/src/protocol';
import { aState, aVariable, aWorker, atWork, byName } from '../examples';
import { magic, row, said, show, user, worker } from '../onBoard';
import type { PretendKernel } from '../pretend';

const asked = (kernel: PretendKernel): unknown[] =>
  kernel.asked.filter(({ op }) => op === 'why').map(({ args }) => args);
const shown = (): HTMLElement | null => document.querySelector('[data-moorage-why]');
const named = (name: string): HTMLElement => {
  const found = document.querySelector<HTMLElement>(`[data-moorage-named="${name}"]`);
  if (found === null) {
    throw new Error(`no row ${name}`);
  }
  return found;
};

describe('why something is as it is', () => {
  it('is shown by a click on a variable that waits, with the line that helps', async () => {
    const kernel = show(atWork());
    await user.click(row('lookup'));
    expect(asked(kernel)).toEqual([{ kind: 'name', name: 'lookup' }]);
    expect(shown()?.textContent).toContain('lookup is waiting');
    expect(shown()?.textContent).toContain('no worker erin yet.');
    expect(said()).toContain('no worker erin yet.');
    await user.click(within(shown() as HTMLElement).getByRole('button', { name: 'Copy' }));
    expect(await navigator.clipboard.readText()).toBe('%pin lookup --workers alice');
    expect(magic()).not.toBe('%pin lookup --workers alice');
  });

  it('is not asked by a click on what is well, or by one that adds to the selection', async () => {
    const kernel = show(atWork());
    await user.click(row('flights'));
    await user.keyboard('{Control>}');
    await user.click(row('lookup'));
    await user.keyboard('{/Control}');
    expect(asked(kernel)).toEqual([]);
  });

  it.each([
    ['a value that has changed', (): HTMLElement => row('parts'), { kind: 'name', name: 'parts' }],
    [
      'a copy on its way',
      (): HTMLElement => within(worker('bob')).getByText('grid'),
      { kind: 'name', name: 'grid' }
    ],
    [
      'a paused worker',
      (): HTMLElement => within(worker('carol')).getByText('paused'),
      { kind: 'worker', name: 'carol' }
    ],
    ['results', (): HTMLElement => named('r'), { kind: 'name', name: 'r' }]
  ])('is shown by a click on %s', async (_, element, about) => {
    const kernel = show(atWork());
    await user.click(element());
    expect(asked(kernel)).toEqual([about]);
  });

  it('cannot be asked of what is another notebook’s, or of what no variable has', async () => {
    const state = atWork();
    for (const name of ['Out[3]', 'without a name']) {
      state.ledger[name] = { ...state.ledger['r'], name } as PanelNamedMemory;
    }
    const kernel = show(state);
    await user.click(named('keys of other.ipynb'));
    await user.click(named('Out[3]'));
    await user.click(named('without a name'));
    expect(asked(kernel)).toEqual([]);
  });

  it('is asked by the question mark, also of what is well', async () => {
    const kernel = show(atWork());
    act(() => row('flights').focus());
    await user.keyboard('?');
    act(() => named('ddf').querySelector<HTMLElement>('[data-roving]')?.focus());
    await user.keyboard('?');
    act(() => within(worker('bob')).getByRole('button', { name: 'Actions for bob' }).focus());
    await user.keyboard('?');
    expect(asked(kernel)).toEqual([
      { kind: 'name', name: 'flights' },
      { kind: 'name', name: 'ddf' },
      { kind: 'worker', name: 'bob' }
    ]);
  });

  it.each([
    ['a variable', (): HTMLElement => row('model'), { kind: 'name', name: 'model' }],
    ['a collection', (): HTMLElement => named('ddf'), { kind: 'name', name: 'ddf' }],
    ['a worker', (): HTMLElement => worker('alice'), { kind: 'worker', name: 'alice' }]
  ])('is in the menu of %s', async (_, element, about) => {
    const kernel = show(atWork());
    fireEvent.contextMenu(element());
    await user.click(await screen.findByRole('menuitem', { name: /^Why is it like this/ }));
    expect(asked(kernel)).toEqual([about]);
  });

  it('is in the menu that a worker’s name opens', async () => {
    const kernel = show(atWork());
    await user.click(within(worker('bob')).getByRole('button', { name: 'Actions for bob' }));
    await user.click(await screen.findByRole('menuitem', { name: /^Why is it like this/ }));
    expect(asked(kernel)).toEqual([{ kind: 'worker', name: 'bob' }]);
  });

  it('goes away when what it is about is in another state, and when it is dismissed', async () => {
    const kernel = show(atWork());
    await user.click(row('lookup'));
    act(() => kernel.change('model', { state: 'moving' }));
    expect(shown()).not.toBeNull();
    act(() => kernel.change('lookup', { state: 'held', reason: '' }));
    expect(shown()).toBeNull();
    await user.click(row('parts'));
    await user.click(within(shown() as HTMLElement).getByRole('button', { name: 'Dismiss' }));
    expect(shown()).toBeNull();
  });

  it('shows hostile names as they are', async () => {
    const evil = '<img src=x onerror=alert(1)>';
    show(
      aState({
        workers: byName(aWorker(evil, { status: 'paused' })),
        variables: byName(aVariable(evil, { state: 'waiting', reason: 'no' }))
      })
    );
    await user.click(within(worker(evil)).getByText('paused'));
    expect(shown()?.querySelector('img')).toBeNull();
    expect(shown()?.textContent).toContain(`${evil} is waiting`);
  });
});

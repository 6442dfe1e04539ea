import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { MB, aState, aVariable, atWork, byName } from '../examples';
import { heldOn, insertCell, magic, row, said, selected, show, tile, user, worker } from '../onBoard';

describe('by keyboard', () => {
  it('a variable is picked up, carried from target to target and dropped', async () => {
    const kernel = show(atWork());
    row('model').focus();
    await user.keyboard('{Enter}');
    expect(said()).toContain('Picked up model');
    await user.keyboard('{ArrowDown}');
    expect(said()).toContain('All workers: copies 3 × 12 MiB');
    await user.keyboard('{ArrowDown}{ArrowDown}');
    expect(said()).toContain('alice: is there already');
    await user.keyboard('{ArrowDown}');
    expect(said()).toContain('bob: copies 12 MiB');
    expect(worker('bob').className).toContain('jp-mod-over');
    expect(magic()).toBe('%pin model --workers alice bob');
    await user.keyboard('{Enter}');
    expect(said()).toContain('Dropped model on bob');
    expect(kernel.asked[0]).toMatchObject({ op: 'place', args: { names: ['model'] } });
    expect(document.activeElement).toBe(row('model'));
    await waitFor(() => expect(heldOn('bob')).toContain('model'));
    expect(magic()).toBe('%pin model --workers alice bob');
  });

  it('what is said of a target is said again when something else has become true', async () => {
    const kernel = show(atWork());
    row('model').focus();
    await user.keyboard('{Enter}{ArrowDown}');
    expect(said()).toContain('All workers: copies 3 × 12 MiB');
    act(() => kernel.change('model', { held: { bob: 1 } }));
    expect(said()).toContain('All workers: copies 2 × 12 MiB');
  });

  it('Escape cancels', async () => {
    const kernel = show(atWork());
    row('model').focus();
    await user.keyboard(' {ArrowDown}{Escape}');
    expect(said()).toContain('Cancelled');
    expect(kernel.asked).toEqual([]);
    expect(document.activeElement).toBe(row('model'));
  });

  it('Shift and Enter moves', async () => {
    const kernel = show(atWork());
    row('model').focus();
    await user.keyboard('{Enter}{End}{Shift>}{Enter}{/Shift}');
    expect(kernel.asked[0]?.args).toMatchObject({ placement: { workers: ['dave'] } });
  });

  it('a drop that is refused says why and does nothing', async () => {
    const kernel = show(atWork());
    row('flights').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    expect(said()).toContain('Not dropped: is there already');
    expect(kernel.asked).toEqual([]);
  });

  it('a copy is moved by its chip', async () => {
    const kernel = show(atWork());
    within(worker('alice')).getByRole('button', { name: 'model on alice' }).focus();
    await user.keyboard('{Enter}{ArrowDown}{ArrowDown}{ArrowDown}{ArrowDown}{Enter}');
    expect(kernel.asked[0]?.args).toMatchObject({ names: ['model'], placement: { workers: ['bob'] } });
  });

  it('the focus stays with a variable that is drawn again', async () => {
    const kernel = show(atWork());
    row('airports').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    expect(kernel.asked).toHaveLength(1);
    await waitFor(() => expect(heldOn('dave')).toContain('airports'));
    expect(document.activeElement).toBe(row('airports'));
  });

  it('the focus stays in the list when its item goes away, and out of it when the user has left', async () => {
    const kernel = show(atWork());
    within(worker('alice')).getByRole('button', { name: 'model on alice' }).focus();
    act(() => kernel.change('model', { held: { alice: 0, bob: 1 } }));
    expect(document.activeElement).toBe(
      within(worker('alice')).getByRole('button', { name: 'grid on alice' })
    );
    await user.click(document.body);
    act(() => kernel.change('grid', { held: { alice: 0 } }));
    expect(document.activeElement).toBe(document.body);
  });

  it('one Tab goes to the list, and arrow keys go through it', async () => {
    show(atWork());
    const rows = [...document.querySelectorAll<HTMLElement>('.jp-Moorage-variable-grip')];
    expect(rows.map(grip => grip.tabIndex)).toEqual([0, -1, -1, -1, -1, -1, -1]);
    rows[0]?.focus();
    await user.keyboard('{ArrowDown}{ArrowDown}');
    expect(document.activeElement).toBe(rows[2]);
    expect(rows.map(grip => grip.tabIndex)).toEqual([-1, -1, 0, -1, -1, -1, -1]);
  });
});

describe('several variables', () => {
  it('that are selected move together', async () => {
    const kernel = show(atWork());
    await user.click(row('model'));
    await user.keyboard('{Control>}');
    await user.click(row('parts'));
    await user.keyboard('{/Control}');
    row('parts').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    expect(kernel.asked[0]).toMatchObject({
      op: 'place',
      args: { names: ['model', 'parts'], placement: { kind: 'everywhere' } }
    });
    expect(magic()).toBe('%broadcast model parts');
  });

  it('that are held go to a target that is pressed, and back when something else is', async () => {
    const kernel = show(atWork());
    row('model').focus();
    await user.keyboard('{Enter}');
    expect(document.querySelector('[data-moorage-in-hand]')?.textContent).toContain('model');
    await user.click(row('grid'));
    expect(said()).toContain('Cancelled');
    expect(document.querySelector('.jp-mod-selected')).toBeNull();
    expect(document.activeElement).toBe(row('model'));
    await user.keyboard('{Enter}');
    await user.click(tile('release'));
    expect(kernel.asked).toMatchObject([{ op: 'release', args: { names: ['model'] } }]);
    row('grid').focus();
    await user.keyboard('{Enter}');
    await user.click(screen.getByRole('button', { name: 'Put back' }));
    expect(document.querySelector('[data-moorage-in-hand]')).toBeNull();
    expect(kernel.asked).toHaveLength(1);
  });

  it('that are held stay in the hand when the press that picked them up ends late, above a target', async () => {
    const kernel = show(atWork());
    row('model').focus();
    await user.keyboard('{Enter}');
    fireEvent.click(tile('release'), { detail: 1 });
    expect(document.querySelector('[data-moorage-in-hand]')?.textContent).toContain('model');
    expect(kernel.asked).toHaveLength(0);
    await user.click(tile('release'));
    expect(kernel.asked).toHaveLength(1);
  });

  it('that come under the names of selected ones that have gone are not selected', async () => {
    const variables = byName(aVariable('one'), aVariable('two'));
    const kernel = show(aState({ variables }));
    row('two').focus();
    await user.keyboard('{Control>} {/Control}');
    expect(selected()).toEqual(['two']);
    act(() => kernel.tell({}, { variables: ['one', 'two'] }));
    act(() => kernel.tell({ variables }));
    expect(selected()).toEqual([]);
    row('one').focus();
    await user.keyboard('{Shift>}{ArrowDown}{/Shift}');
    expect(selected()).toEqual(['one', 'two']);
  });

  it('are selected with Shift and the arrow keys, and all of them with Ctrl and A', async () => {
    show(atWork());
    row('model').focus();
    await user.keyboard('{Shift>}{ArrowDown}{ArrowDown}{/Shift}');
    expect(selected()).toEqual(['model', 'grid', 'parts']);
    await user.keyboard('{Shift>}{ArrowUp}{/Shift}');
    expect(selected()).toEqual(['model', 'grid']);
    await user.keyboard('{Enter}');
    expect(said()).toContain('Picked up model, grid.');
    await user.keyboard('{Escape}{ArrowDown}{Shift>}{ArrowDown}{/Shift}');
    expect(selected()).toEqual(['parts', 'lookup']);
    await user.keyboard('{Control>}a{/Control}');
    expect(selected()).toHaveLength(document.querySelectorAll('[data-moorage-variable]').length);
    await user.keyboard('{Escape}');
    expect(selected()).toEqual([]);
  });

  it('are selected by keyboard, too', async () => {
    const kernel = show(atWork());
    row('flights').focus();
    await user.keyboard('{Control>} {/Control}{ArrowDown}{ArrowDown}{Control>}{Enter}{/Control}');
    expect(selected()).toEqual(['flights', 'grid']);
    await user.keyboard('{ArrowDown}{Shift>} {/Shift}');
    expect(selected()).toEqual(['grid', 'parts']);
    expect(kernel.asked).toEqual([]);
    await user.keyboard('{Enter}');
    await user.click(tile('release'));
    expect(kernel.asked[0]).toMatchObject({ op: 'release', args: { names: ['grid', 'parts'] } });
  });

  it('in a row are selected with the shift key', async () => {
    show(atWork());
    await user.click(row('flights'));
    await user.keyboard('{Shift>}');
    await user.click(row('grid'));
    await user.keyboard('{/Shift}');
    expect(selected()).toEqual(['flights', 'model', 'grid']);
  });
});

describe('the context menu', () => {
  it('does the same as a drag', async () => {
    const kernel = show(atWork());
    fireEvent.contextMenu(row('model'), { clientX: 10, clientY: 10 });
    const item = await screen.findByRole('menuitem', { name: /^Place on all workers/ });
    expect(item.textContent).toContain('copies 3 × 12 MiB');
    await user.click(item);
    expect(kernel.asked[0]).toMatchObject({ op: 'place', args: { placement: { kind: 'everywhere' } } });
  });

  it('opens by a button, and inserts a cell that gathers', async () => {
    show(atWork());
    await user.click(screen.getByRole('button', { name: 'Actions for model' }));
    await user.click(await screen.findByRole('menuitem', { name: /^Gather/ }));
    expect(insertCell).toHaveBeenCalledWith('%gather model');
  });

  it('refuses what cannot be', async () => {
    show(atWork());
    fireEvent.contextMenu(row('airports'), { clientX: 10, clientY: 10 });
    const item = await screen.findByRole('menuitem', { name: /^Release/ });
    expect(item.getAttribute('aria-disabled')).toBe('true');
    expect(item.textContent).toContain('is not placed');
  });
});

describe('a large copy', () => {
  it('is confirmed first', async () => {
    const kernel = show(atWork(), { confirmAbove: 1 * MB });
    row('model').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    expect(kernel.asked).toEqual([]);
    const question = screen.getByRole('alertdialog');
    expect(question.textContent).toContain('model to All workers: copies 36 MiB');
    await user.click(within(question).getByRole('button', { name: 'Copy' }));
    expect(kernel.asked).toHaveLength(1);
    expect(screen.queryByRole('alertdialog')).toBeNull();
  });

  it.each([
    ['Cancel', () => user.click(screen.getByRole('button', { name: 'Cancel' }))],
    ['Escape', () => user.keyboard('{Escape}')]
  ])('is not made when that is declined by %s', async (_, decline) => {
    const kernel = show(atWork(), { confirmAbove: 1 * MB });
    row('model').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    const cancel = screen.getByRole('button', { name: 'Cancel' });
    await waitFor(() => expect(document.activeElement).toBe(cancel));
    await decline();
    expect(screen.queryByRole('alertdialog')).toBeNull();
    expect(kernel.asked).toEqual([]);
  });
});

describe('what is only on the cluster', () => {
  it('is let go of after a question', async () => {
    const kernel = show(
      aState({ variables: byName(aVariable('r', { only_on_cluster: true, held: { alice: 1 } })) })
    );
    fireEvent.contextMenu(row('r'), { clientX: 10, clientY: 10 });
    await user.click(await screen.findByRole('menuitem', { name: /^Release/ }));
    expect(kernel.asked).toEqual([]);
    const question = await screen.findByRole('alertdialog');
    expect(question.textContent).toContain('Release r? The notebook has no value of it.');
    await user.click(within(question).getByRole('button', { name: 'Release' }));
    expect(kernel.asked).toEqual([{ op: 'release', args: { names: ['r'] } }]);
  });
});

import { act, cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react';
import axe from 'axe-core';
import { describe, expect, it, vi } from 'vitest';

import type { PanelState } from '../../../labextension/src/protocol';
import {
  GB,
  MB,
  aCluster,
  aLargeCluster,
  aQueueCluster,
  aState,
  aVariable,
  aWorker,
  atWork,
  byName
} from '../examples';
import {
  connection,
  heldOn,
  insertCell,
  magic,
  row,
  said,
  selected,
  show,
  tile,
  user,
  worker
} from '../onBoard';

describe('the board', () => {
  it('shows what each worker holds, and what is on its way to it', () => {
    show(atWork());
    expect(heldOn('alice')).toEqual(['flights', 'model', 'grid', 'parts']);
    expect(heldOn('bob')).toEqual(['flights', 'parts', 'lookup']);
    expect(worker('bob').querySelector('[data-moorage-pending=grid]')).not.toBeNull();
    expect(within(worker('carol')).getByText('paused')).toBeTruthy();
  });

  it('shows faintly what was known of a cluster whose connection is lost', () => {
    show({ ...atWork(), cluster: aCluster({ status: 'lost', detail: 'the scheduler does not answer' }) });
    expect(screen.getByText('the scheduler does not answer')).toBeTruthy();
    expect(worker('alice').closest('.jp-mod-lost')).not.toBeNull();
  });

  it('says where each variable stands', () => {
    show(atWork());
    expect(row('flights').textContent).toContain('everywhere 4/4');
    expect(row('grid').textContent).toContain('moving 2/4');
    expect(row('lookup').textContent).toContain('erin is not here yet');
    expect(row('parts').textContent).toContain('changed');
  });

  it('offers what is large enough to be placed', () => {
    show(atWork(), { threshold: 1.5 * MB });
    expect(document.querySelector('[data-moorage-variable=airports]')).not.toBeNull();
    expect(document.querySelector('[data-moorage-variable=weights]')).toBeNull();
  });

  it('shows of many chips those that are coming and those that came last, and all of them when asked', async () => {
    const many = Array.from({ length: 20 }, (_, index) => aVariable(`v${index}`, { held: { alice: 1 } }));
    const kernel = show(aState({ variables: byName(...many, aVariable('late', { held: { bob: 1 } })) }));
    const chips = (): (string | undefined)[] =>
      [...worker('alice').querySelectorAll<HTMLElement>('.jp-Moorage-chip')].map(
        chip => chip.dataset['roving']
      );
    expect(chips()).toHaveLength(12);
    act(() => kernel.change('late', { pending: { alice: 1 } }));
    expect(chips()[0]).toBe('alice:late');
    act(() => kernel.change('v19', { held: { bob: 1 } }));
    expect(chips().slice(0, 3)).toEqual(['alice:late', 'alice:v19', 'alice:v0']);
    act(() => kernel.change('late', { held: { alice: 1 }, pending: { alice: 0 } }));
    expect(chips().slice(0, 2)).toEqual(['alice:late', 'alice:v19']);
    await user.click(within(worker('alice')).getByRole('button', { name: '+ 9 more' }));
    expect(chips()).toHaveLength(21);
    await user.click(within(worker('alice')).getByRole('button', { name: 'show fewer' }));
    expect(chips()).toHaveLength(12);
  });

  it('groups workers by host when there are several', async () => {
    show(aQueueCluster());
    expect(
      [...document.querySelectorAll<HTMLElement>('[data-moorage-host]')].map(e => e.dataset['moorageHost'])
    ).toEqual(['node1', 'node2', 'node10']);
    await user.click(screen.getByRole('button', { name: /^node2/ }));
    expect(document.querySelector('[data-moorage-worker="node2-a"]')).toBeNull();
    expect(document.querySelector('[data-moorage-worker="node1-a"]')).not.toBeNull();
  });

  it('shows hostile names and texts as they are', () => {
    const evil = '<img src=x onerror=alert(1)>';
    show(
      aState({
        cluster: aCluster({ name: evil, kind: evil, detail: evil, dashboard_link: 'javascript:alert(1)' }),
        workers: byName(aWorker(evil)),
        variables: byName(
          aVariable(evil, {
            typename: evil,
            detail: evil,
            state: 'waiting',
            reason: evil,
            held: { [evil]: 1 }
          })
        ),
        notices: { n: { id: 'n', level: 'error', message: evil, remedy: evil, variable: evil } }
      })
    );
    expect(document.querySelector('img')).toBeNull();
    expect(screen.getAllByText(evil).length).toBeGreaterThan(5);
    expect(document.querySelector('a')).toBeNull();
  });

  it.each([
    ['at work', atWork],
    ['on three hosts', aQueueCluster],
    ['without a cluster', () => aState({ cluster: null })]
  ])('has no fault that axe finds, %s', async (_, state) => {
    show(state());
    const { violations } = await axe.run(document.body, {
      rules: { 'color-contrast': { enabled: false }, region: { enabled: false } }
    });
    expect(violations.map(({ id, nodes }) => [id, nodes.map(node => node.html)])).toEqual([]);
  });

  it('keeps only what is in sight of a large cluster in the page', () => {
    // jsdom has no layout: every element is 600 pixels high.
    vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(600);
    vi.spyOn(HTMLElement.prototype, 'offsetWidth', 'get').mockReturnValue(300);
    show(aLargeCluster(1000, 200));
    const shown = (what: string): number => document.querySelectorAll(`[data-moorage-${what}]`).length;
    expect(shown('worker')).toBeGreaterThan(0);
    expect(shown('worker')).toBeLessThan(100);
    expect(shown('variable')).toBeGreaterThan(10);
    expect(shown('variable')).toBeLessThan(100);
  });
});

describe('at rest', () => {
  it('there are no targets but the workers; what is picked up unfolds them', async () => {
    show(atWork());
    const tiles = (): (string | undefined)[] =>
      [...document.querySelectorAll<HTMLElement>('[data-moorage-target]')].map(
        e => e.dataset['moorageTarget']
      );
    expect(tiles()).toEqual([]);
    expect(screen.getByRole('list', { name: 'Legend of the memory bars' })).toBeTruthy();
    row('parts').focus();
    await user.keyboard('{Enter}');
    expect(tiles()).toEqual(['all-workers', 'release']);
    await user.keyboard('{Escape}');
    expect(tiles()).toEqual([]);
  });

  it('one per host is offered where there are several', async () => {
    show(aQueueCluster());
    row('flights').focus();
    await user.keyboard('{Enter}{ArrowDown}{ArrowDown}');
    expect(tile('one-per-host').className).toContain('jp-mod-over');
    expect(tile('one-per-host').textContent).toBe('One per hostcopies 2 × 381 MiB');
    expect(worker('node2-a').textContent).toContain('382 → 763 MiB of 2 GiB');
  });
});

describe('workers named by machines', () => {
  it('have short names, and their whole ones as titles', () => {
    const name = 'gateway-3f8a9b2c4d5e6f708a9b';
    const pinned = { placement: { kind: 'workers', workers: [name] }, held: { [name]: 1 } } as const;
    show(
      aState({
        workers: byName(aWorker(name)),
        variables: byName(aVariable('x', { ...pinned, placement: { kind: 'workers', workers: [name] } }))
      })
    );
    const button = within(worker(name)).getByRole('button', { name: 'Actions for gateway-3f8a9b2' });
    expect(button.textContent).toBe('gateway-3f8a9b2');
    expect(button.title).toBe(name);
    expect(row('x').textContent).toContain('pinned to gateway-3f8a9b2');
    expect(document.body.textContent).not.toContain(name);
  });
});

describe('the splitter', () => {
  const bar = (): HTMLElement => screen.getByRole('separator', { name: 'Room for variables' });

  it('is moved by keys, and where it is outlives the page', async () => {
    show(atWork());
    expect(bar().getAttribute('aria-valuetext')).toBe('as much as they need');
    bar().focus();
    await user.keyboard('{End}{ArrowUp}');
    expect(bar().getAttribute('aria-valuenow')).toBe('84');
    cleanup();
    show(atWork());
    expect(bar().getAttribute('aria-valuenow')).toBe('84');
    bar().focus();
    await user.keyboard('{Enter}');
    expect(bar().getAttribute('aria-valuetext')).toBe('as much as they need');
  });

  it('is where it is by default when what the browser has kept makes no sense', () => {
    window.localStorage.setItem('moorage:split', '{"above": 7, "beside": "wide"}');
    show(atWork());
    expect(bar().getAttribute('aria-valuetext')).toBe('as much as they need');
  });
});

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

  it('the focus stays with a variable that is drawn anew', async () => {
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

describe('stopping the cluster', () => {
  const stop = async (): Promise<void> => {
    await user.click(screen.getByRole('button', { name: 'Cluster menu' }));
    await user.click(await screen.findByRole('menuitem', { name: 'Stop the cluster' }));
  };

  it('is asked about first while its workers hold something', async () => {
    const kernel = show(atWork());
    await stop();
    expect(kernel.asked).toEqual([]);
    const question = screen.getByRole('alertdialog');
    expect(question.textContent).toContain('Its workers hold flights, model, grid, parts and 2 more.');
    const cancel = within(question).getByRole('button', { name: 'Cancel' });
    await waitFor(() => expect(document.activeElement).toBe(cancel));
    await user.click(within(question).getByRole('button', { name: 'Stop' }));
    expect(kernel.asked[0]?.op).toBe('stop');
  });

  it('is asked about first where others may use it', async () => {
    const kernel = show(aState({ cluster: aCluster({ kept: true }) }));
    await stop();
    expect(kernel.asked).toEqual([]);
    expect(screen.getByRole('alertdialog').textContent).toContain('ends for all notebooks');
  });

  it('names those who have data on it', async () => {
    const kernel = show(aQueueCluster());
    await stop();
    expect(kernel.asked).toEqual([]);
    expect(screen.getByRole('alertdialog').textContent).toContain(
      'Stop sge? Data of other.ipynb is on it, too. Its workers hold flights, coeffs.'
    );
  });

  it('is just done where nothing is lost', async () => {
    const kernel = show(aState());
    await stop();
    expect(kernel.asked[0]?.op).toBe('stop');
  });
});

describe('what is on the cluster without being placed', () => {
  const named = (name: string): HTMLElement => {
    const found = document.querySelector<HTMLElement>(`[data-moorage-named="${name}"]`);
    if (found === null) {
      throw new Error(`no row for ${name}`);
    }
    return found;
  };

  it('has a row for each name, with its size, where it is and whose', () => {
    show(atWork());
    expect(named('ddf').textContent).toContain('collection, 24 parts · on 3 workers, most on carol');
    expect(named('ddf').textContent).toContain('240 MiB + 160 MiB on disk');
    expect(named('r').textContent).toContain('12 results · on alice');
    expect(named('keys of other.ipynb').textContent).toContain('other.ipynb');
  });

  it('goes when the kernel says so', () => {
    const kernel = show(atWork());
    act(() => kernel.tell({}, { ledger: ['ddf'] }));
    expect(document.querySelector('[data-moorage-named="ddf"]')).toBeNull();
    expect(named('r')).toBeTruthy();
  });

  it('is in the bars of the workers, in words too, with a legend', () => {
    show(atWork());
    const bar = within(worker('alice')).getByRole('img');
    expect(bar.getAttribute('aria-label')).toContain('collections 120 MiB, results 30 MiB');
    const legend = screen.getByRole('list', { name: 'Legend of the memory bars' });
    expect(legend.textContent).toBe('placedcollectionsresultsotherprocesson diskpauses');
  });
});

describe('leaving the cluster', () => {
  const item = async (name: string): Promise<HTMLElement> => {
    await user.click(screen.getByRole('button', { name: 'Cluster menu' }));
    return screen.findByRole('menuitem', { name });
  };

  it('is possible where it goes on', async () => {
    const kernel = show(aState({ cluster: aCluster({ leavable: true }) }));
    await user.click(await item('Leave the cluster'));
    expect(kernel.asked[0]?.op).toBe('leave');
  });

  it('is not offered where it would end', async () => {
    show(aState());
    expect((await item('Leave the cluster')).getAttribute('aria-disabled')).toBe('true');
  });

  it('is all that can be done with what somebody else has started', async () => {
    show(aState({ cluster: aCluster({ stoppable: false, leavable: true }) }));
    expect((await item('Stop the cluster')).getAttribute('aria-disabled')).toBe('true');
  });
});

describe('a failure', () => {
  const huge = (): PanelState =>
    aState({
      workers: byName(aWorker('alice', { memory_limit: 0 })),
      variables: byName(aVariable('huge', { nbytes: 4 * GB, held: { alice: 1 } }))
    });

  it('stays with its remedy until it is dismissed', async () => {
    show(huge(), { confirmAbove: Infinity });
    row('huge').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    const log = await screen.findByRole('log');
    expect(log.textContent).toContain('huge does not fit');
    expect(log.textContent).toContain('Release something there');
    await user.click(within(log).getByRole('button', { name: 'Dismiss' }));
    expect(screen.queryByRole('log')).toBeNull();
  });

  it('for want of room can be overruled', async () => {
    const kernel = show(huge(), { confirmAbove: Infinity });
    row('huge').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    await user.click(await screen.findByRole('button', { name: 'Place anyway' }));
    expect(kernel.asked[1]).toMatchObject({ op: 'place', args: { force: true } });
    expect(magic()).toBe('%broadcast huge --force');
  });

  it('that the kernel tells of is dismissed there', async () => {
    const kernel = show(
      aState({ notices: { n: { id: 'n', level: 'warning', message: 'Oh.', remedy: '', variable: '' } } })
    );
    await user.click(screen.getByRole('button', { name: 'Dismiss' }));
    expect(kernel.asked).toEqual([{ op: 'dismiss', args: { id: 'n' } }]);
    expect(screen.queryByText('Oh.')).toBeNull();
  });
});

describe('the cluster', () => {
  it('starts with one click', async () => {
    const kernel = show(aState({ cluster: null, workers: {} }));
    await user.click(screen.getByRole('button', { name: 'Start 2 workers' }));
    expect(kernel.asked).toEqual([{ op: 'start', args: { n_workers: 2 } }]);
  });

  it('starts with what a form says of its workers', async () => {
    const kernel = show(aState({ cluster: null, workers: {} }));
    await user.click(screen.getByRole('button', { name: 'Options…' }));
    await user.type(screen.getByRole('textbox', { name: 'Threads of each' }), '4');
    await user.type(screen.getByRole('textbox', { name: 'Memory of each' }), '2 GB');
    await user.click(screen.getByRole('checkbox', { name: 'Keep it when this kernel ends' }));
    await user.click(screen.getByRole('button', { name: 'One worker more' }));
    await user.click(await screen.findByRole('button', { name: 'Start 3 workers' }));
    expect(kernel.asked.at(-1)).toEqual({
      op: 'start',
      args: { n_workers: 3, threads: 4, memory: '2GB', keep: true }
    });
    expect(kernel.model.state.magic).toEqual(['%cluster start -n 3 --threads 4 --memory 2GB --keep']);
  });

  it('is of any kind, with what its class takes', async () => {
    const kernel = show(aState({ cluster: null, workers: {} }));
    await user.click(screen.getByRole('button', { name: 'Options…' }));
    await user.selectOptions(screen.getByRole('combobox', { name: 'Kind' }), await screen.findByText('SGE'));
    await user.type(await screen.findByRole('textbox', { name: 'queue' }), 'all.q');
    await user.selectOptions(screen.getByRole('combobox', { name: 'nanny' }), 'false');
    expect(screen.queryByRole('textbox', { name: 'Threads of each' })).toBeNull();
    await user.click(screen.getByRole('button', { name: 'Start 2 workers' }));
    expect(kernel.asked.at(-1)).toEqual({
      op: 'start',
      args: { n_workers: 2, using: 'sge', options: { queue: 'all.q', nanny: 'false' } }
    });
    expect(kernel.model.state.magic).toEqual([
      '%cluster start -n 2 --using sge --option queue=all.q nanny=false'
    ]);
  });

  it('is attached to by address, which is offered the next time', async () => {
    const none = aState({ cluster: null, workers: {} });
    const kernel = show(none);
    await user.click(screen.getByRole('button', { name: 'Attach…' }));
    await user.keyboard(' tls://node:8786 {Enter}');
    expect(kernel.asked.at(-1)).toEqual({ op: 'attach', args: { target: 'tls://node:8786' } });
    cleanup();
    const later = show(none);
    await user.click(screen.getByRole('button', { name: 'Attach…' }));
    await user.click(await screen.findByRole('button', { name: /^tls:\/\/node:8786/ }));
    expect(later.asked.at(-1)).toEqual({ op: 'attach', args: { target: 'tls://node:8786' } });
  });

  it('is chosen from those that are kept', async () => {
    const kernel = show(aState({ cluster: null, workers: {} }));
    await user.click(screen.getByRole('button', { name: 'Attach…' }));
    const choice = await screen.findByRole('button', { name: /^fleet/ });
    expect(choice.textContent).toContain('kept: SGECluster on login1');
    await user.click(choice);
    expect(kernel.asked.at(-1)).toEqual({ op: 'attach', args: { target: 'fleet' } });
  });

  it('has a form that Escape closes', async () => {
    show(aState({ cluster: null, workers: {} }));
    await user.click(screen.getByRole('button', { name: 'Options…' }));
    await user.keyboard('{Escape}');
    expect(screen.queryByRole('textbox', { name: 'Threads of each' })).toBeNull();
  });

  it('is scaled once for several presses', async () => {
    const kernel = show(aState());
    const more = screen.getByRole('button', { name: 'One worker more' });
    await user.click(more);
    await user.click(more);
    await waitFor(() => expect(kernel.asked).toEqual([{ op: 'scale', args: { n: 6 } }]));
  });

  it('cannot be scaled where it is not ours', () => {
    show(aState({ cluster: aCluster({ scalable: false }) }));
    expect(screen.queryByRole('button', { name: 'One worker more' })).toBeNull();
  });

  it('links to its dashboard', () => {
    show(aState());
    expect(screen.getByRole('link', { name: 'Dask dashboard' }).getAttribute('href')).toBe(
      'http://127.0.0.1:8787/status'
    );
  });

  it.each(['/user/ada/proxy/8787/status?token=x', 'https://hub.example.org/status'])('links to %s', link => {
    show(aState({ cluster: aCluster({ dashboard_link: link }) }));
    expect(screen.getByRole('link', { name: 'Dask dashboard' }).getAttribute('href')).toBe(link);
  });

  it.each(['', '//evil.example', '/\\evil.example', 'javascript:alert(1)'])('does not link to %j', link => {
    show(aState({ cluster: aCluster({ dashboard_link: link }) }));
    expect(screen.queryByRole('link', { name: 'Dask dashboard' })).toBeNull();
  });
});

describe('while there is nothing to show', () => {
  it('says that moorage is not loaded, and inserts the line that loads it', async () => {
    const kernel = show(aState());
    connection(kernel, { status: 'absent' });
    await user.click(await screen.findByRole('button', { name: /load_ext moorage/ }));
    expect(insertCell).toHaveBeenCalledWith('%load_ext moorage');
  });

  it.each([
    ['no-kernel', 'Open a notebook'],
    ['dead', 'The kernel has died'],
    ['incompatible', 'Versions differ'],
    ['unsupported', 'moorage works with Python']
  ] as const)('%s: %s', async (status, text) => {
    connection(show(aState()), { status });
    expect(await screen.findByText(text)).toBeTruthy();
  });
});

describe('read-only', () => {
  it('shows everything and changes nothing', async () => {
    const kernel = show({ ...atWork(), read_only: true });
    expect(heldOn('alice')).toContain('flights');
    row('model').focus();
    await user.keyboard('{Enter}{ArrowDown}{Enter}');
    await user.keyboard('{Control>}a{/Control}');
    expect(document.querySelector('[data-moorage-target]')).toBeNull();
    expect(screen.queryByRole('button', { name: 'One worker more' })).toBeNull();
    expect(kernel.asked).toEqual([]);
  });
});

import { act, cleanup, fireEvent, screen, within } from '@testing-library/react';
import axe from 'axe-core';
import { describe, expect, it, vi } from 'vitest';

import {
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
import { connection, heldOn, insertCell, interrupt, row, show, tile, user, worker } from '../onBoard';

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

describe('while there is nothing to show', () => {
  it('says that moorage is not loaded, and inserts the line that loads it', async () => {
    const kernel = show(aState());
    connection(kernel, { status: 'absent' });
    await user.click(await screen.findByRole('button', { name: /load_ext moorage/ }));
    expect(insertCell).toHaveBeenCalledWith('%load_ext moorage');
  });

  it('says where moorage is not installed, and inserts the lines that install and load it', async () => {
    const kernel = show(aState());
    connection(kernel, { status: 'missing', message: '/opt/other' });
    await screen.findByText('/opt/other');
    await user.click(screen.getByRole('button', { name: /pip install moorage/ }));
    expect(insertCell).toHaveBeenCalledWith('%pip install moorage\n%load_ext moorage');
  });

  it('offers to interrupt a kernel that has answered nobody for long', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    try {
      const kernel = show(aState());
      connection(kernel, { status: 'connecting' });
      await screen.findByText('Asking the kernel…');
      expect(screen.queryByRole('button', { name: 'Interrupt the kernel' })).toBeNull();
      await vi.advanceTimersByTimeAsync(10_000);
      fireEvent.click(await screen.findByRole('button', { name: 'Interrupt the kernel' }));
      expect(interrupt).toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });

  it('has the line for a kernel that answers only between cells', async () => {
    const kernel = show(aState());
    connection(kernel, { concurrent: false });
    await user.click(await screen.findByRole('button', { name: /ipykernel/ }));
    expect(insertCell).toHaveBeenCalledWith("%pip install 'ipykernel>=7.4'");
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

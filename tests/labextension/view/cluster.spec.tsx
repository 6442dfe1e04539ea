import { cleanup, screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import type { PanelState } from '../../../labextension/src/protocol';
import { GB, aCluster, aQueueCluster, aState, aVariable, aWorker, atWork, byName } from '../examples';
import { magic, row, show, user } from '../onBoard';

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

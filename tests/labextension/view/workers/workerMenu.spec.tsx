import { fireEvent, screen, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { aState, aVariable, atWork, byName } from '../../examples';
import { magic, row, show, user, worker } from '../../onBoard';

const open = async (name: string): Promise<void> => {
  await user.click(within(worker(name)).getByRole('button', { name: `Actions for ${name}` }));
  await screen.findByRole('menu');
};
const choose = (key: string): Promise<void> => {
  const found = document.querySelector(`[data-moorage-menu="${key}"]`);
  if (found === null) {
    throw new Error(`no item ${key}`);
  }
  return user.click(found);
};

describe('the menu of a worker', () => {
  it('pins there what is selected', async () => {
    const kernel = show(atWork());
    await user.click(row('model'));
    await open('bob');
    expect(screen.getByRole('menuitem', { name: /^Pin model here/ })).toBeTruthy();
    await choose('pin-here');
    expect(kernel.asked.at(-1)).toMatchObject({
      op: 'place',
      args: { names: ['model'], placement: { workers: ['alice', 'bob'] } }
    });
  });

  it('lets go of what is pinned to it, and of nothing else that it holds', async () => {
    const kernel = show(
      aState({
        variables: byName(
          aVariable('all', { placement: { kind: 'everywhere' }, held: { alice: 1, bob: 1 } }),
          aVariable('two', {
            placement: { kind: 'workers', workers: ['alice', 'bob'] },
            held: { alice: 1, bob: 1 }
          })
        )
      })
    );
    await open('bob');
    await choose('let-go');
    expect(kernel.asked).toMatchObject([
      { op: 'place', args: { names: ['two'], placement: { kind: 'workers', workers: ['alice'] } } }
    ]);
  });

  it('lets go of no more than what is selected', async () => {
    const pinned = { placement: { kind: 'workers', workers: ['bob'] }, held: { bob: 1 } } as const;
    const fields = { ...pinned, placement: { ...pinned.placement, workers: ['bob'] } };
    const kernel = show(aState({ variables: byName(aVariable('x', fields), aVariable('y', fields)) }));
    await user.click(row('y'));
    await open('bob');
    expect(screen.getByRole('menuitem', { name: /^Let go of y here/ })).toBeTruthy();
    await choose('let-go');
    expect(kernel.asked).toMatchObject([{ op: 'release', args: { names: ['y'] } }]);
  });

  it('restarts it after a question, which names what would be lost', async () => {
    const kernel = show(
      aState({ variables: byName(aVariable('r', { only_on_cluster: true, held: { bob: 1 } })) })
    );
    await open('bob');
    await choose('restart');
    const question = await screen.findByRole('alertdialog');
    expect(question.textContent).toContain('The notebook has no value of r');
    expect(kernel.asked).toEqual([]);
    await user.click(within(question).getByRole('button', { name: 'Restart' }));
    expect(kernel.asked).toEqual([{ op: 'restart', args: { worker: 'bob' } }]);
    expect(magic()).toBe('cluster.client.restart_workers(["bob"])');
  });

  it('shows its log', async () => {
    const kernel = show(atWork());
    fireEvent.contextMenu(worker('carol'));
    await screen.findByRole('menu');
    await choose('log');
    expect(kernel.asked.at(-1)).toEqual({ op: 'why', args: { kind: 'log', name: 'carol' } });
    expect(await screen.findByText('Log of carol')).toBeTruthy();
  });

  it('has nothing to do for what is not there', async () => {
    show(aState());
    await open('alice');
    for (const name of [/^Pin the selection here/, /^Let go of what is pinned here/]) {
      expect(screen.getByRole('menuitem', { name }).getAttribute('aria-disabled')).toBe('true');
    }
  });
});

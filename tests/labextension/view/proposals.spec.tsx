import { screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { aState } from '../examples';
import { magic, said, show, user } from '../onBoard';

const ASKED = { proposals: { p1: { id: 'p1', line: '%broadcast model', note: '12 MiB a copy' } } };

describe('what an assistant asks for', () => {
  it('is said, without taking the focus, and done when the user agrees', async () => {
    const kernel = show(aState(ASKED));
    expect(said()).toBe('An assistant asks for %broadcast model');
    expect(document.activeElement).toBe(document.body);
    expect(screen.getByRole('group', { name: 'What assistants ask for' }).textContent).toContain(
      '12 MiB a copy'
    );
    await user.click(screen.getByRole('button', { name: 'Do it' }));
    expect(kernel.asked).toEqual([{ op: 'decide', args: { id: 'p1', agreed: true } }]);
    expect(magic()).toBe('%broadcast model');
  });

  it('can be refused', async () => {
    const kernel = show(aState(ASKED));
    await user.click(screen.getByRole('button', { name: 'Refuse' }));
    expect(kernel.asked).toEqual([{ op: 'decide', args: { id: 'p1', agreed: false } }]);
    expect(magic()).toBeUndefined();
  });

  it('goes away when it is no longer asked', async () => {
    const kernel = show(aState(ASKED));
    kernel.tell({}, { proposals: ['p1'] });
    await expect.poll(() => screen.queryByRole('button', { name: 'Do it' })).toBeNull();
  });

  it('cannot be agreed to where one may only look', () => {
    show(aState({ ...ASKED, read_only: true }));
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Do it' }).disabled).toBe(true);
  });
});

import { fireEvent, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { aState, aVariable, byName } from '../examples';
import { magic, row, show, user } from '../onBoard';

const DONE = { undoable: 'x placed everywhere', variables: byName(aVariable('x')) };

describe('taking back what was done last', () => {
  it('is offered only if there is something', () => {
    show(aState());
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
  });

  it('is a button, which says what it takes back', async () => {
    const kernel = show(aState(DONE));
    const undo = screen.getByRole('button', { name: 'Undo' });
    expect(undo.title).toBe('Undo: x placed everywhere (Ctrl+Z)');
    await user.click(undo);
    expect(kernel.asked).toEqual([{ op: 'undo', args: {} }]);
    expect(magic()).toBe('%undo');
  });

  it('is a key, which nobody else hears', () => {
    const kernel = show(aState(DONE));
    expect(fireEvent.keyDown(row('x'), { key: 'z', ctrlKey: true })).toBe(false);
    fireEvent.keyDown(row('x'), { key: 'z', ctrlKey: true, shiftKey: true });
    fireEvent.keyDown(row('x'), { key: 'z' });
    expect(kernel.asked).toEqual([{ op: 'undo', args: {} }]);
  });

  it('leaves what one types in a field to the field', () => {
    const kernel = show(
      aState({
        ...DONE,
        events: {
          1: {
            id: '1',
            time: 1,
            kind: 'left',
            level: 'info',
            message: 'bob left',
            variables: [],
            remedy: '',
            line: '',
            cell: ''
          }
        }
      })
    );
    fireEvent.click(document.querySelector('[data-moorage-event]') as HTMLElement);
    fireEvent.keyDown(screen.getByRole('searchbox', { name: 'Filter events' }), { key: 'z', ctrlKey: true });
    expect(kernel.asked).toEqual([]);
  });

  it('is not offered where one may only look', () => {
    const kernel = show(aState({ ...DONE, read_only: true }));
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
    fireEvent.keyDown(row('x'), { key: 'z', ctrlKey: true });
    expect(kernel.asked).toEqual([]);
  });
});

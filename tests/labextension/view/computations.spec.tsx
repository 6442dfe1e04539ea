import { act, screen, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import type { PanelComputation, PanelNamedMemory } from '../../../labextension/src/protocol';
import { english } from '../../../labextension/src/translate';
import { progressWords } from '../../../labextension/src/view/running/computations';
import { aState } from '../examples';
import { goToCell, said, show, user } from '../onBoard';

const LOOP = 'for year in years';
const FUNCTION = 'evaluate';
const aLoop = (fields: Partial<PanelComputation> = {}): PanelComputation => ({
  id: '1',
  label: LOOP,
  cell: 'cell-1',
  execution: 7,
  total: 1000,
  done: 412,
  failed: 0,
  rate: 23.5,
  cancelling: false,
  ...fields
});

const rows = (): HTMLElement[] =>
  within(screen.getByRole('region', { name: 'Running' })).getAllByRole('listitem');

describe('what runs', () => {
  it('takes no room while nothing does', () => {
    show(aState());
    expect(screen.queryByRole('region', { name: 'Running' })).toBeNull();
  });

  it('is a row with how far it is, how fast, and what has failed', () => {
    const kernel = show(aState({ computations: { 1: aLoop() } }));
    expect(rows()[0]?.textContent).toContain('412 of 1,000 · 24/s · 26 s left');
    expect(screen.getByRole('progressbar', { name: 'for year in years' }).ariaValueNow).toBe('412');
    act(() => kernel.tell({ computations: { 1: { done: 900, failed: 2, rate: 50 } } }));
    expect(rows()[0]?.textContent).toContain('900 of 1,000 · 50/s · 2 s left');
    expect(rows()[0]?.textContent).toContain('2 failed');
    act(() => kernel.tell({}, { computations: ['1'] }));
    expect(screen.queryByRole('region', { name: 'Running' })).toBeNull();
  });

  it('is announced when it begins', () => {
    const kernel = show(aState());
    act(() => kernel.tell({ computations: { 1: aLoop() } }));
    expect(said()).toBe('for year in years runs');
  });

  it('can be cancelled, once', async () => {
    const kernel = show(aState({ computations: { 1: aLoop(), 2: aLoop({ id: '2', label: FUNCTION }) } }));
    await user.click(screen.getByRole('button', { name: 'Cancel evaluate' }));
    expect(kernel.asked).toEqual([{ op: 'cancel', args: { id: '2' } }]);
    act(() => kernel.tell({ computations: { 2: { cancelling: true } } }));
    expect(screen.queryByRole('button', { name: 'Cancel evaluate' })).toBeNull();
    expect(rows()[1]?.textContent).toContain('cancelling');
  });

  it('cannot be cancelled where one may only look', () => {
    show(aState({ computations: { 1: aLoop() }, read_only: true }));
    expect(screen.queryByRole('button', { name: /^Cancel/ })).toBeNull();
  });

  it('is in the row of its results, if these are a variable, until it has ended', () => {
    const row = (): HTMLElement | null => document.querySelector('[data-moorage-named="fares"]');
    const fares = (done: number, computation: string): PanelNamedMemory => ({
      name: 'fares',
      kind: 'result',
      owner: '',
      nkeys: 3,
      nbytes: 0,
      spilled: 0,
      nworkers: 0,
      most_on: [],
      items: { total: 1000, done, failed: 0, cancelled: 0, computation }
    });
    const kernel = show({ ...aState(), ledger: { fares: fares(412, '1') }, computations: { 1: aLoop() } });
    expect(row()?.textContent).toContain('412 of 1,000 · 24/s · 26 s left');
    expect(row()?.contains(screen.getByRole('button', { name: `Cancel ${LOOP}` }))).toBe(true);
    expect(screen.queryByRole('region', { name: 'Running' })).toBeNull();
    act(() => kernel.tell({ ledger: { fares: fares(1000, '') } }, { computations: ['1'] }));
    expect(row()?.textContent).toContain('1,000 of 1,000 items');
    expect(screen.queryByRole('progressbar')).toBeNull();
  });

  it('leads to its cell, if the notebook has that', async () => {
    show(aState({ computations: { 1: aLoop(), 2: aLoop({ id: '2', cell: 'gone', execution: 3 }) } }));
    await user.click(screen.getByRole('button', { name: 'Go to the cell [7]' }));
    expect(goToCell).toHaveBeenCalledWith('cell-1');
    expect(rows()[1]?.textContent).toContain('[3]');
    expect(screen.queryByRole('button', { name: 'Go to the cell [3]' })).toBeNull();
  });

  it.each([
    [{ total: -1, done: 9, rate: 0 }, '9 items'],
    [{ total: 10, done: 0, rate: 0 }, '0 of 10'],
    [{ total: 10, done: 4, rate: 0.02 }, '4 of 10 · 1.2/min · 5 min left'],
    [{ total: 100_000, done: 1, rate: 0.001 }, '1 of 100,000 · 3.6/h · 27778 h left'],
    [{ total: 10, done: 10, rate: 2.25 }, '10 of 10 · 2.3/s · 0 s left']
  ])('says %j in words', (fields, words) => {
    expect(progressWords(english, aLoop(fields))).toBe(words);
  });
});

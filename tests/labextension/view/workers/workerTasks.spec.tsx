import { act } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { english } from '../../../../labextension/src/translate';
import { durationWords, runningWords } from '../../../../labextension/src/view/workers/workerTasks';
import { aState } from '../../examples';
import { show, worker } from '../../onBoard';

const NOW = 1_700_000_000;

const tasksOf = (name: string): string | undefined =>
  worker(name).querySelector('[data-moorage-tasks]')?.textContent;

describe('what a worker runs', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1000 * NOW }));
  afterEach(() => void vi.useRealTimers());

  it('is on its card as long as it is busy', () => {
    const tasks = { running: { evaluate: 2, load: 1 }, since: NOW - 12, waiting: 4 };
    const kernel = show(aState({ tasks: { alice: tasks } }));
    expect(tasksOf('alice')).toBe('evaluate × 2, load12 s4 wait');
    expect(tasksOf('bob')).toBeUndefined();
    act(() => void vi.advanceTimersByTime(5000));
    expect(tasksOf('alice')).toContain('17 s');
    act(() => kernel.tell({ tasks: { alice: { running: {}, since: 0, waiting: 1 } } }));
    expect(tasksOf('alice')).toBe('runs nothing1 waits');
    act(() => kernel.tell({}, { tasks: ['alice'] }));
    expect(tasksOf('alice')).toBeUndefined();
  });

  it('has begun just now where clocks differ', () => {
    show(aState({ tasks: { alice: { running: { f: 1 }, since: NOW + 100, waiting: 0 } } }));
    expect(tasksOf('alice')).toBe('f');
  });

  it('is said in words', () => {
    expect(runningWords({ running: { f: 1 }, since: 0, waiting: 0 })).toBe('f');
    expect([3, 100, 7200].map(seconds => durationWords(english, seconds))).toEqual(['3 s', '2 min', '2 h']);
  });
});

// What a worker runs: functions, collections or loops, how long already, and how much waits there.
import { type ReactElement, memo, useEffect, useState } from 'react';

import type { PanelTasks } from '../../protocol';
import { type ITranslate, useTranslate } from '../common/useTranslate';

/** Seconds from which on it is said how long something runs. */
const LONG = 2;

export const WorkerTasks = memo(function WorkerTasks({ tasks }: { tasks: PanelTasks }): ReactElement {
  const trans = useTranslate();
  const { since, waiting } = tasks;
  const seconds = useSecondsSince(since);
  const what = runningWords(tasks);
  return (
    <div className="jp-Moorage-tasks" data-moorage-tasks="">
      <span className="jp-Moorage-ellipsis" title={what}>
        {what === '' ? trans.__('runs nothing') : what}
      </span>
      {since > 0 && seconds >= LONG ? (
        <span className="jp-Moorage-dim" title={trans.__('since %1', timeOf(since))}>
          {durationWords(trans, seconds)}
        </span>
      ) : null}
      <span className="jp-Moorage-space" />
      {waiting > 0 ? (
        <span className="jp-Moorage-dim" title={trans.__('Tasks that have been sent to it and do not run')}>
          {trans._n('%1 waits', '%1 wait', waiting)}
        </span>
      ) : null}
    </div>
  );
});

/** "evaluate × 2, load" */
export function runningWords({ running }: PanelTasks): string {
  return Object.entries(running)
    .map(([name, count]) => (count > 1 ? `${name} × ${count}` : name))
    .join(', ');
}

/** "12 s", "3 min", "2 h" */
export function durationWords(trans: ITranslate, seconds: number): string {
  return seconds < 100
    ? trans.__('%1 s', Math.round(seconds))
    : seconds < 100 * 60
      ? trans.__('%1 min', Math.round(seconds / 60))
      : trans.__('%1 h', Math.round(seconds / 3600));
}

function timeOf(seconds: number): string {
  return new Date(1000 * seconds).toLocaleTimeString(undefined, { hourCycle: 'h23' });
}

function useSecondsSince(since: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (since === 0) {
      return;
    }
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [since]);
  return Math.max(0, now / 1000 - since);
}

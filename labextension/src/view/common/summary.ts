// A board in a few words, as for a status bar: workers, what runs, what moves, and what is wrong. Pure.
import type { IBoardState } from '../../store/state';
import type { ITranslate } from './useTranslate';
import { plainName } from './words';

export interface ISummary {
  /** "4 workers · 2 moving". */
  readonly text: string;
  /** Line by line, with names. */
  readonly details: string;
  /** Number of things that are not as the user wants them. */
  readonly troubles: number;
}

/** Names in a line of the details. */
const MAX_NAMES = 5;

/** null: there is no cluster to speak of. */
export function summary(trans: ITranslate, state: IBoardState): ISummary | null {
  const { connection, cluster } = state;
  if (connection.status !== 'connected' || cluster === null || cluster.status === 'stopped') {
    return null;
  }
  const moving: string[] = [];
  const troubles: string[] = [];
  for (const variable of state.variables.values()) {
    if (variable.state === 'moving') {
      moving.push(plainName(variable));
    } else if (variable.state !== 'held') {
      troubles.push(`${plainName(variable)}: ${variable.reason || variable.state}`);
    }
  }
  for (const { name, status } of state.workers.values()) {
    if (status === 'paused') {
      troubles.push(trans.__('%1 is paused', name));
    }
  }
  troubles.push(...state.failures.map(({ error }) => error.message));
  for (const { level, message } of state.notices.values()) {
    if (level !== 'info') {
      troubles.push(message);
    }
  }
  if (cluster.status === 'lost') {
    troubles.push(cluster.detail || trans.__('The connection is lost.'));
  }
  const workers =
    cluster.pending > 0
      ? trans.__('%1 of %2 workers', cluster.arrived, cluster.requested)
      : trans._n('%1 worker', '%1 workers', cluster.arrived);
  const tasks = [...state.ledger.values()].reduce(
    (sum, one) => sum + (one.kind === 'task' ? one.nkeys : 0),
    0
  );
  return {
    text: [
      cluster.status === 'starting' ? trans.__('starting') : workers,
      ...(tasks > 0 ? [trans._n('%1 task', '%1 tasks', tasks)] : []),
      ...(moving.length > 0 ? [trans.__('%1 moving', moving.length)] : [])
    ].join(' · '),
    details: [
      cluster.name,
      ...(moving.length > 0 ? [trans.__('moving: %1', moving.slice(0, MAX_NAMES).join(', '))] : []),
      ...troubles.slice(0, MAX_NAMES)
    ].join('\n'),
    troubles: troubles.length
  };
}

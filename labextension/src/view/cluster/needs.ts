// What an act needs of a board, and in words what is not there. Pure.
import type { PanelCluster } from '../../protocol';
import type { IBoardState } from '../../store/state';
import type { ITranslate } from '../common/useTranslate';

export type Need =
  | 'free' // it may change something
  | 'no-cluster'
  | 'cluster'
  | 'scalable'
  | 'dashboard'
  | 'undoable'
  | 'running'
  | 'leavable'
  | 'stoppable';

/** The first of the needs that is not met, in words; null: all are. */
export function lacking(trans: ITranslate, state: IBoardState, needs: readonly Need[]): string | null {
  const notConnected = connectionWords(trans, state);
  if (notConnected !== null) {
    return notConnected;
  }
  for (const need of needs) {
    const words = needWords(trans, state, need);
    if (words !== null) {
      return words;
    }
  }
  return null;
}

function connectionWords(trans: ITranslate, { connection }: IBoardState): string | null {
  switch (connection.status) {
    case 'connected':
      return null;
    case 'absent':
      return trans.__('moorage is not loaded in this kernel: run %1 first.', '%load_ext moorage');
    case 'missing':
      return trans.__('moorage is not installed where this kernel runs.');
    case 'connecting':
      return trans.__('The kernel does not answer: it may be busy with a cell.');
    case 'no-kernel':
      return trans.__('No notebook or console with a kernel is open.');
    case 'unsupported':
      return trans.__('This kernel is not one of Python’s.');
    case 'incompatible':
      return connection.message;
    case 'dead':
      return trans.__('The kernel has died.');
  }
}

function needWords(trans: ITranslate, state: IBoardState, need: Need): string | null {
  const { cluster, readOnly } = state;
  const isThere = cluster !== null && cluster.status !== 'stopped';
  const noCluster = isThere ? null : trans.__('There is no cluster yet.');
  switch (need) {
    case 'free':
      return readOnly ? trans.__('This panel is read-only.') : null;
    case 'no-cluster':
      return isThere ? trans.__('A cluster is running already.') : null;
    case 'cluster':
      return noCluster;
    case 'scalable':
      return (
        noCluster ??
        (cluster?.scalable === true ? null : trans.__('This notebook cannot change its number of workers.'))
      );
    case 'dashboard':
      return (
        noCluster ??
        (isWebAddress(cluster?.dashboard_link ?? '') ? null : trans.__('The cluster has no dashboard.'))
      );
    case 'undoable':
      return state.undoable === '' ? trans.__('There is nothing to undo.') : null;
    case 'running':
      return state.computations.size === 0 ? trans.__('Nothing runs.') : null;
    case 'leavable':
      return (
        noCluster ??
        (cluster?.leavable === true ? null : trans.__('It ends with this notebook: keep it first.'))
      );
    case 'stoppable':
      return noCluster ?? (cluster?.stoppable === true ? null : trans.__('Somebody else has started it.'));
  }
}

/** Whether a page can be opened there: a link comes from the scheduler, and may be anything. */
export function isWebAddress(link: string): boolean {
  // A path is one of this Jupyter server, which proxies the dashboard where Dask's configuration says so.
  return /^(https?:\/\/|\/(?![/\\]))/i.test(link);
}

/** Between how many workers a cluster adapts when nobody says it: what it has, and twice that. */
export function rangeAround({ requested }: PanelCluster): [number, number] {
  return [Math.max(1, requested), Math.max(2, 2 * requested)];
}

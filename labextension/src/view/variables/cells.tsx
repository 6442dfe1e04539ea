// The strip under a variable's name: one cell for each worker, filled where it is held, outlined where it is wanted and
// lacking, grey elsewhere. Of many workers it becomes a bar. What it says stands in words beside it.
import type { CSSProperties, ReactElement } from 'react';

import type { IVariable } from '../../store/state';
import { copies } from '../common/words';

/** Workers that have a cell of their own. */
export const MAX_CELLS = 16;

export function Cells({
  variable,
  workers,
  total
}: {
  variable: IVariable;
  /** Names in the order of the cells; empty when there are too many. */
  workers: readonly string[];
  total: number;
}): ReactElement {
  if (total > MAX_CELLS) {
    const { there, wanted } = copies(variable);
    const percent = (count: number): CSSProperties => ({ width: `${(100 * count) / Math.max(1, total)}%` });
    return (
      <span className="jp-Moorage-cells jp-mod-bar" aria-hidden="true">
        <i className="jp-mod-held" style={percent(there)} />
        <i className="jp-mod-pending" style={percent(wanted - there)} />
      </span>
    );
  }
  return (
    <span className="jp-Moorage-cells" aria-hidden="true">
      {workers.map(worker => (
        <i
          key={worker}
          className={cellClass(variable, worker)}
          style={cellStyle(variable, worker)}
          title={worker}
        />
      ))}
    </span>
  );
}

function cellClass({ held, pending }: IVariable, worker: string): string {
  return pending.has(worker) ? 'jp-mod-pending' : held.has(worker) ? 'jp-mod-held' : '';
}

function cellStyle({ held, nkeys }: IVariable, worker: string): CSSProperties {
  const keys = held.get(worker);
  // Of many keys, a worker that has more of them is darker.
  return keys === 0 || keys >= nkeys ? {} : { opacity: 0.45 + 0.55 * Math.min(1, (2 * keys) / nkeys) };
}

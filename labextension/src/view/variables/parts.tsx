// The parts of a variable, below its row: what each worker has, a picture as `cluster["x"].plot()` draws it, and a list. They
// are asked for when the row is opened, page by page, and once more when something of it has moved. Some of them, selected in
// the picture or the list, are taken up as variables are.
import { type ReactElement, memo, useContext, useEffect, useRef, useState } from 'react';

import type { PanelParts } from '../../protocol';
import { shortName } from '../../store/names';
import { type IPartsTable, nameOfPart, named } from '../../store/parts';
import { GrabsContext, usePartsSource } from '../common/context';
import { PartList } from './partList';
import { PartsPicture } from './partsPicture';
import { usePartSelection } from './partSelection';
import { type ITranslate, useTranslate } from '../common/useTranslate';
import { formatBytes } from '../common/words';

/** Parts of a page, and those that are asked for without being scrolled to. */
const PAGE = 2000;
const AT_ONCE = 20_000;

/** Milliseconds for which changes are gathered before parts are asked for once more. */
const SETTLE = 1000;

/** Workers that are named one by one. */
const MAX_SHARES = 12;

interface IPartsProps {
  name: string;
  /** Another one when something of it has moved. */
  stamp: unknown;
  disabled: boolean;
}

export const PartsOf = memo(function PartsOf({ name, stamp, disabled }: IPartsProps): ReactElement {
  const trans = useTranslate();
  const [table, problem] = useParts(name, stamp);
  const selection = usePartSelection(table);
  const { selected } = selection;
  const grabs = useContext(GrabsContext);
  useEffect(() => {
    if (table === null) {
      return undefined;
    }
    grabs.set(name, part => {
      const isIt = (index: number): boolean => nameOfPart(table, index) === part;
      const chosen = [...selected].filter(index => index < table.cells.length);
      return named(table, chosen.some(isIt) ? chosen : [...table.cells.keys()].filter(isIt));
    });
    return () => void grabs.delete(name);
  }, [grabs, name, table, selected]);
  return (
    <div className="jp-Moorage-parts" data-moorage-parts={name}>
      {table === null ? (
        <p className="jp-Moorage-dim">{problem === '' ? trans.__('asking…') : problem}</p>
      ) : (
        <>
          <Shares table={table} />
          <PartsPicture
            table={table}
            selection={selection}
            disabled={disabled}
            words={pictureWords(trans, table)}
          />
          <PartList table={table} selection={selection} disabled={disabled} />
        </>
      )}
    </div>
  );
});

// The parts as far as they are known, and why they are not. Of what has just gone, the row goes a moment later.
function useParts(name: string, stamp: unknown): readonly [IPartsTable | null, string] {
  const source = usePartsSource();
  const [table, setTable] = useState<IPartsTable | null>(null);
  const [problem, setProblem] = useState('');
  const isFirst = useRef(true);
  useEffect(() => {
    let isCurrent = true;
    const ask = async (): Promise<void> => {
      let found: IPartsTable | null = null;
      for (;;) {
        const page = await source(name, found?.nbytes.length ?? 0, PAGE);
        if (!isCurrent) {
          return;
        }
        found = found === null ? page : joined(found, page);
        setTable(found);
        if (page.cells.length === 0 || found.nbytes.length >= Math.min(found.total, AT_ONCE)) {
          return;
        }
      }
    };
    const tell = (reason: unknown): void => {
      if (isCurrent) {
        setProblem(reason instanceof Error ? reason.message : String(reason));
      }
    };
    const timer = setTimeout(() => void ask().catch(tell), isFirst.current ? 0 : SETTLE);
    isFirst.current = false;
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [source, name, stamp]);
  return [table, problem];
}

function joined(table: IPartsTable, page: PanelParts): IPartsTable {
  const { cells, nbytes, on, states, errors, labels } = page;
  return {
    ...table,
    ...(errors === undefined ? {} : { errors: [...(table.errors ?? []), ...errors] }),
    ...(labels === undefined ? {} : { labels: [...(table.labels ?? []), ...labels] }),
    cells: [...table.cells, ...cells],
    nbytes: [...table.nbytes, ...nbytes],
    on: [...table.on, ...on],
    states: [...table.states, ...states]
  };
}

function Shares({ table }: { table: IPartsTable }): ReactElement {
  const trans = useTranslate();
  const { workers, sizes, colors, nowhere } = table;
  const most = Math.max(1, ...sizes);
  const rest = workers.length - MAX_SHARES;
  return (
    <ul className="jp-Moorage-shares" aria-label={trans.__('Spread over the workers')}>
      {workers.slice(0, MAX_SHARES).map((worker, index) => (
        <li key={worker} data-moorage-share={worker}>
          <i style={{ background: colors[index] }} />
          <span className="jp-Moorage-ellipsis" title={worker}>
            {shortName(worker)}
          </span>
          <span className="jp-Moorage-bar" aria-hidden="true">
            <i style={{ width: `${(100 * (sizes[index] ?? 0)) / most}%`, background: colors[index] }} />
          </span>
          <span className="jp-Moorage-dim">{shareWords(trans, table, index)}</span>
        </li>
      ))}
      {rest > 0 ? (
        <li className="jp-Moorage-dim">{trans._n('and %1 more worker', 'and %1 more workers', rest)}</li>
      ) : null}
      {nowhere > 0 ? (
        <li className="jp-Moorage-dim">
          {table.errors === undefined
            ? trans._n('%1 part is on no worker yet', '%1 parts are on no worker yet', nowhere)
            : trans._n('%1 item has not begun', '%1 items have not begun', nowhere)}
        </li>
      ) : null}
    </ul>
  );
}

function shareWords(trans: ITranslate, { counts, sizes, errors }: IPartsTable, index: number): string {
  const count = counts[index] ?? 0;
  const size = formatBytes(sizes[index] ?? 0);
  return errors === undefined
    ? trans._n('%1 part · %2', '%1 parts · %2', count, size)
    : trans._n('%1 item · %2', '%1 items · %2', count, size);
}

function pictureWords(trans: ITranslate, table: IPartsTable): string {
  const { name, total, workers, errors } = table;
  return [
    errors === undefined
      ? trans._n('%2: %1 part', '%2: %1 parts', total, name)
      : trans._n('%2: %1 item', '%2: %1 items', total, name),
    ...workers.map((worker, index) => `${shortName(worker)}: ${shareWords(trans, table, index)}`)
  ].join('; ');
}

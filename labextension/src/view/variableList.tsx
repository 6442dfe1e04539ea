// The list of variables: those that are placed, then what else fills the cluster's memory, then the notebook's own that could
// be placed. Long lists are virtual.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactElement, memo, useMemo, useRef } from 'react';

import type { PanelCandidate, PanelNamedMemory } from '../protocol';
import { isAsked, placedBytes } from '../store/holdings';
import type { IBoardState, IVariable } from '../store/state';
import { MAX_CELLS } from './cells';
import { LedgerRow } from './ledgerRow';
import { useRoving } from './roving';
import { useTranslate } from './useTranslate';
import { CandidateRow, type Select, VariableRow } from './variableRow';
import { formatBytes } from './words';

/** Rows beyond which only those in sight are in the page. */
const MAX_ROWS = 50;
/** Pixels, as the style sheet makes them. */
const ROW_HEIGHT = 43;
const DIVIDER_HEIGHT = 25;

/** What stands before a group of rows. */
interface IDivider {
  readonly before: 'ledger' | 'candidates';
}
type Row = IVariable | PanelCandidate | PanelNamedMemory | IDivider;

function isOwn({ owner }: IVariable): boolean {
  return owner === '';
}

function rowKey(row: Row): string {
  // Only a variable and what it was before it was placed are the same row.
  return 'before' in row
    ? ` ${row.before}`
    : 'nworkers' in row
      ? ` ${row.kind} ${row.owner} ${row.name}`
      : row.name;
}

interface IVariablesProps {
  state: IBoardState;
  candidates: readonly PanelCandidate[];
  selection: ReadonlySet<string>;
  disabled: boolean;
  onSelect(name: string, how: Select): void;
}

interface IListProps extends IVariablesProps {
  /** Names of the workers in the order of the cells; empty when there are too many. */
  workers: readonly string[];
}

export const Variables = memo(function Variables(props: IVariablesProps): ReactElement {
  const { state, candidates } = props;
  const trans = useTranslate();
  const list = useRef<HTMLUListElement>(null);
  const roving = useRoving(list);
  const placed = useMemo(() => placedBytes(state.variables), [state.variables]);
  const rows = useMemo((): Row[] => {
    const group = (before: IDivider['before'], rows: readonly Row[]): readonly Row[] =>
      rows.length === 0 ? [] : [{ before }, ...rows];
    const variables = [...state.variables.values()];
    // The notebook's own come first.
    return [
      ...variables.filter(isOwn),
      ...variables.filter(one => !isOwn(one)),
      ...group('ledger', bySize(state.ledger)),
      ...group('candidates', candidates)
    ];
  }, [state.variables, state.ledger, candidates]);
  const workers = useMemo(
    () => (state.workers.size > MAX_CELLS ? [] : state.hosts.flatMap(host => host.workers)),
    [state.hosts, state.workers.size]
  );
  const isVirtual = rows.length > MAX_ROWS;
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoised over the virtualizer
  const virtual = useVirtualizer({
    count: rows.length,
    enabled: isVirtual,
    getScrollElement: () => list.current,
    estimateSize: index => (isDivider(rows[index]) ? DIVIDER_HEIGHT : ROW_HEIGHT),
    overscan: 6
  });
  const items = virtual.getVirtualItems();
  const shown = isVirtual ? items.flatMap(({ index }) => rows[index] ?? []) : rows;
  return (
    <section className="jp-Moorage-section jp-Moorage-variables" aria-label={trans.__('Variables')}>
      <h2>
        {trans.__('Variables')}
        <span className="jp-Moorage-space" />
        {placed > 0 ? <small>{trans.__('%1 placed', formatBytes(placed))}</small> : null}
      </h2>
      {rows.length === 0 ? (
        <p className="jp-Moorage-hint">
          {trans.__(
            'Nothing is placed yet. Variables of your notebook appear here as soon as they are large enough.'
          )}
        </p>
      ) : (
        <ul ref={list} className="jp-Moorage-list" {...roving}>
          {isVirtual ? <li role="presentation" style={{ height: items[0]?.start ?? 0 }} /> : null}
          {shown.map(row => (
            <ListRow key={rowKey(row)} {...props} workers={workers} row={row} />
          ))}
          {isVirtual ? (
            <li
              role="presentation"
              style={{ height: virtual.getTotalSize() - (items[items.length - 1]?.end ?? 0) }}
            />
          ) : null}
        </ul>
      )}
    </section>
  );
});

function ListRow({ row, ...props }: IListProps & { row: Row }): ReactElement {
  const trans = useTranslate();
  if ('before' in row) {
    return (
      <li className="jp-Moorage-divider">
        {row.before === 'ledger'
          ? trans.__('On the cluster, not placed')
          : trans.__('In the notebook, not placed')}
      </li>
    );
  }
  return 'nworkers' in row ? <LedgerRow named={row} /> : <VariableOrCandidate {...props} row={row} />;
}

function isDivider(row: Row | undefined): boolean {
  return row !== undefined && 'before' in row;
}

function bySize(ledger: IBoardState['ledger']): readonly PanelNamedMemory[] {
  return [...ledger.values()].sort((one, other) => other.nbytes + other.spilled - one.nbytes - one.spilled);
}

function VariableOrCandidate({
  row,
  state,
  selection,
  disabled,
  workers,
  onSelect
}: IListProps & { row: IVariable | PanelCandidate }): ReactElement {
  const isSelected = selection.has(row.name);
  const shared = { isSelected, disabled, onSelect, isAsked: isAsked(state.intents, row.name) };
  return 'held' in row ? (
    <VariableRow
      {...shared}
      variable={row}
      color={state.colors.get(row.name)}
      moves={state.moves}
      workers={workers}
      workerCount={state.workers.size}
    />
  ) : (
    <CandidateRow {...shared} candidate={row} />
  );
}

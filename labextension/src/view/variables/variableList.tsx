// The list of variables: those that are placed, then what else fills the cluster's memory, then the notebook's own that could
// be placed. Long lists are virtual.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactElement, memo, useCallback, useMemo, useRef } from 'react';

import type { PanelCandidate, PanelNamedMemory } from '../../protocol';
import type { IBoardActions } from '../../store/actions';
import { isAsked } from '../../store/holdings';
import { placedBytes, variableBytes } from '../../store/placedBytes';
import type { IBoardState, IVariable } from '../../store/state';
import { loopOf, nameInNotebook, unplaced } from '../../store/unplaced';
import { MAX_CELLS } from './cells';
import { LedgerRow } from './ledgerRow';
import { PartsOf } from './parts';
import { useRoving } from '../common/roving';
import { type Select, selectByKey } from './selection';
import { useToggles } from '../common/useToggles';
import { useTranslate } from '../common/useTranslate';
import { VariableRow } from './variableRow';
import { formatBytes } from '../common/words';

/** Rows beyond which only those in sight are in the page. */
const MAX_ROWS = 50;
/** Pixels, as the style sheet makes them. */
const ROW_HEIGHT = 43;
const CANDIDATE_HEIGHT = 26;
const DIVIDER_HEIGHT = 25;
/** Of what is below an opened row, before it is measured. */
const PARTS_HEIGHT = 240;
const RUN_HEIGHT = 50;
/** The rank of what comes before all. */
const FIRST = 1000;

/** What stands before a group of rows. */
interface IDivider {
  readonly before: 'ledger' | 'candidates';
}
/** The parts of the row before. */
interface IParts {
  readonly partsOf: string;
  /** Another one when something of it has moved. */
  readonly stamp: unknown;
}
type Row = IVariable | PanelCandidate | PanelNamedMemory | IDivider | IParts;

function isOwn({ owner }: IVariable): boolean {
  return owner === '';
}

function rowKey(row: Row): string {
  // Only a variable and what it was before it was placed are the same row.
  return 'partsOf' in row
    ? ` parts ${row.partsOf}`
    : 'before' in row
      ? ` ${row.before}`
      : 'nworkers' in row
        ? ` ${row.kind} ${row.owner} ${row.name}`
        : row.name;
}

interface IVariablesProps {
  state: IBoardState;
  candidates: readonly PanelCandidate[];
  selection: ReadonlySet<string>;
  actions: IBoardActions;
  disabled: boolean;
  onSelect(name: string, how: Select): void;
}

interface IListProps extends IVariablesProps {
  /** Names of the workers in the order of the cells; empty when there are too many. */
  workers: readonly string[];
  isOpen(name: string): boolean;
  onToggle(name: string): void;
}

export const Variables = memo(function Variables(props: IVariablesProps): ReactElement {
  const { state, candidates } = props;
  const trans = useTranslate();
  const list = useRef<HTMLUListElement>(null);
  const roving = useRoving(list);
  const [opened, toggle] = useToggles();
  const isOpen = useCallback((name: string) => opened.has(name), [opened]);
  const { variables, hosts, workers: members } = state;
  const placed = useMemo(
    () => placedBytes({ variables, hosts, workers: members }),
    [variables, hosts, members]
  );
  const rows = useMemo((): Row[] => {
    const group = (before: IDivider['before'], rows: readonly Row[]): readonly Row[] =>
      rows.length === 0 ? [] : [{ before }, ...rows];
    const variables = [...state.variables.values()];
    const withParts = (row: IVariable | PanelNamedMemory): readonly Row[] => {
      const name = opensAs(row, state.variables);
      return name !== null && opened.has(name) ? [row, { partsOf: name, stamp: stampOf(row) }] : [row];
    };
    // The notebook's own come first.
    return [
      ...variables.filter(isOwn).flatMap(withParts),
      ...variables.filter(one => !isOwn(one)).flatMap(withParts),
      ...group(
        'ledger',
        bySize(unplaced({ ledger: state.ledger, variables: state.variables })).flatMap(withParts)
      ),
      ...group('candidates', candidates)
    ];
  }, [state.variables, state.ledger, candidates, opened]);
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
    estimateSize: index => heightOf(rows[index]),
    overscan: 6
  });
  const items = virtual.getVirtualItems();
  const shown = isVirtual
    ? items.flatMap(({ index }) => {
        const row = rows[index];
        return row === undefined ? [] : [[row, index] as const];
      })
    : rows.map((row, index) => [row, index] as const);
  return (
    <section className="jp-Moorage-section jp-Moorage-variables" aria-label={trans.__('Variables')}>
      <h2>
        {trans.__('Variables')}
        <span className="jp-Moorage-space" />
        {placed > 0 ? (
          <small title={trans.__('On all workers together; what workers of a host share counts once.')}>
            {trans.__('%1 placed', formatBytes(placed))}
          </small>
        ) : null}
      </h2>
      {rows.length === 0 ? (
        <p className="jp-Moorage-hint">
          {trans.__(
            'Nothing is placed yet. Variables of your notebook appear here as soon as they are large enough.'
          )}
        </p>
      ) : (
        <ul
          ref={list}
          className="jp-Moorage-list"
          {...roving}
          onKeyDown={event => selectByKey(event, props.selection, props.onSelect, roving.onKeyDown)}
        >
          {isVirtual ? <li role="presentation" style={{ height: items[0]?.start ?? 0 }} /> : null}
          {shown.map(([row, index]) =>
            'partsOf' in row ? (
              <li key={rowKey(row)} ref={isVirtual ? virtual.measureElement : undefined} data-index={index}>
                <PartsOf name={row.partsOf} stamp={row.stamp} disabled={props.disabled} />
              </li>
            ) : (
              <ListRow
                key={rowKey(row)}
                {...props}
                workers={workers}
                row={row}
                isOpen={isOpen}
                onToggle={toggle}
              />
            )
          )}
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

function ListRow({ row, ...props }: IListProps & { row: Exclude<Row, IParts> }): ReactElement {
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
  if ('nworkers' in row) {
    const name = opensAs(row, props.state.variables);
    return (
      <LedgerRow
        named={row}
        computation={loopOf(props.state, row)}
        actions={props.actions}
        disabled={props.disabled}
        isAsked={name !== null && isAsked(props.state.intents, name)}
        isOpen={name === null ? null : props.isOpen(name)}
        onToggle={props.onToggle}
      />
    );
  }
  return <VariableOrCandidate {...props} row={row} />;
}

// By which name a row can be opened into its parts; null: it has none.
function opensAs(row: IVariable | PanelNamedMemory, variables: IBoardState['variables']): string | null {
  if ('nworkers' in row) {
    const opens = row.kind === 'collection' || row.items !== undefined || row.elements !== undefined;
    const name = opens ? nameInNotebook(row) : null;
    return name === null || variables.has(name) ? null : name; // the kernel would tell of what is placed
  }
  return row.nkeys > 1 ? row.name : null;
}

function stampOf(row: IVariable | PanelNamedMemory): unknown {
  return 'nworkers' in row ? row : row.touched;
}

function heightOf(row: Row | undefined): number {
  const runs =
    row !== undefined && 'nworkers' in row && row.items !== undefined && row.items.computation !== '';
  return row === undefined || 'held' in row || 'nworkers' in row
    ? ROW_HEIGHT + (runs ? RUN_HEIGHT : 0)
    : 'partsOf' in row
      ? PARTS_HEIGHT
      : 'before' in row
        ? DIVIDER_HEIGHT
        : CANDIDATE_HEIGHT;
}

// What runs first; the others roughly, in the order in which they came where that is the same: what grows a little changes places with nothing.
function bySize(ledger: readonly PanelNamedMemory[]): readonly PanelNamedMemory[] {
  const rank = ({ nbytes, spilled, items }: PanelNamedMemory): number =>
    items !== undefined && items.computation !== '' ? FIRST : Math.round(Math.log2(1 + nbytes + spilled));
  return [...ledger].sort((one, other) => rank(other) - rank(one));
}

function VariableOrCandidate({
  row,
  state,
  selection,
  disabled,
  workers,
  onSelect,
  isOpen,
  onToggle
}: IListProps & { row: IVariable | PanelCandidate }): ReactElement {
  const isPlaced = 'held' in row;
  return (
    <VariableRow
      row={row}
      isSelected={selection.has(row.name)}
      disabled={disabled}
      onSelect={onSelect}
      isAsked={isAsked(state.intents, row.name)}
      total={isPlaced ? variableBytes(state, row) : 0}
      color={isPlaced ? state.colors.get(row.name) : undefined}
      moves={state.moves}
      workers={workers}
      workerCount={state.workers.size}
      isOpen={!isPlaced || opensAs(row, state.variables) === null ? null : isOpen(row.name)}
      onToggle={onToggle}
    />
  );
}

// The workers, grouped by host when there are several, in as many columns as there is room for. Long lists are virtual:
// only the cards in sight are in the page.
import { useDroppable } from '@dnd-kit/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import {
  type ReactElement,
  type ReactNode,
  type Ref,
  memo,
  useCallback,
  useContext,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState
} from 'react';

import { type Target, targetId } from '../../store/gestures';
import { Holders, partsShown } from '../../store/holdings';
import type { IHostGroup } from '../../store/hosts';
import type { IBoardState } from '../../store/state';
import { CarriedContext, useHand } from '../common/context';
import { ChevronIcon } from '../common/icons';
import { useRoving } from '../common/roving';
import { WORKERS } from '../hand/hits';
import { Legend } from './memory';
import { Tiles } from '../hand/tiles';
import { useToggles } from '../common/useToggles';
import { useTranslate } from '../common/useTranslate';
import { formatBytes, formatBytesOf } from '../common/words';
import { WorkerCard, dropClass } from './workerCard';

/** Workers beyond which only those in sight are in the page. */
const MAX_CARDS = 50;
/** Chips on one card of few workers, and of many. */
const MAX_CHIPS = 12;
const MAX_CHIPS_OF_MANY = 6;
/** Pixels before they are measured. */
const CARD_HEIGHT = 92;
const HEAD_HEIGHT = 28;
/** Pixels that a card needs at least when there are several columns. */
const CARD_WIDTH = 260;

const TARGETS = '[data-moorage-worker], [data-moorage-host]';

/** A row of the list: the head of a host, or as many workers as there are columns. */
type Row = { readonly host: IHostGroup } | { readonly workers: readonly string[] };

export interface IWorkersHandle {
  /** Bring a target into sight. */
  reveal(target: Target): void;
}

interface IWorkersProps {
  state: IBoardState;
  disabled: boolean;
  handle: Ref<IWorkersHandle>;
}

export const Workers = memo(function Workers(props: IWorkersProps): ReactElement {
  const { state, disabled, handle } = props;
  const carried = useContext(CarriedContext);
  const trans = useTranslate();
  const scroller = useRef<HTMLDivElement>(null);
  const roving = useRoving(scroller);
  const columns = useColumns(scroller);
  const [closed, toggleHost] = useToggles();
  const [opened, toggleChips] = useToggles();
  const rows = useMemo(() => toRows(state.hosts, columns, closed), [state.hosts, columns, closed]);
  const scale = useMemo(() => barScale(state.workers), [state.workers]);
  const parts = useMemo(() => partsShown(state.workers), [state.workers]);
  const hasLimit = useMemo(
    () => [...state.workers.values()].some(one => one.memory_limit > 0),
    [state.workers]
  );
  const hasShared = useMemo(
    () => [...state.variables.values()].some(one => one.shared > 0),
    [state.variables]
  );
  const [holders] = useState(() => new Holders());
  const holdingsOf = useMemo(() => holders.of(state.variables), [holders, state.variables]);
  const isVirtual = state.workers.size > MAX_CARDS;
  // The same as long as the rows are: with another one the virtualizer lays all of them out anew.
  const keyOf = useCallback(
    (index: number) => {
      const row = rows[index];
      return row === undefined ? index : rowKey(row);
    },
    [rows]
  );
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoised over the virtualizer
  const virtual = useVirtualizer({
    count: rows.length,
    enabled: isVirtual,
    getScrollElement: () => scroller.current,
    estimateSize: index => (isHead(rows[index]) ? HEAD_HEIGHT : CARD_HEIGHT),
    getItemKey: keyOf,
    overscan: 2
  });
  useImperativeHandle(handle, () => ({
    reveal: target => {
      const index = rows.findIndex(row => hasTarget(row, target));
      if (isVirtual && index >= 0) {
        virtual.scrollToIndex(index);
        return;
      }
      const found = [...(scroller.current?.querySelectorAll<HTMLElement>(TARGETS) ?? [])].find(
        ({ dataset }) =>
          (target.kind === 'worker' && dataset['moorageWorker'] === target.worker) ||
          (target.kind === 'host' && dataset['moorageHost'] === target.host)
      );
      found?.scrollIntoView({ block: 'nearest' });
    }
  }));
  const renderRow = (row: Row): ReactElement =>
    'host' in row ? (
      <HostHead state={state} group={row.host} isOpen={!closed.has(row.host.host)} onToggle={toggleHost} />
    ) : (
      <div className="jp-Moorage-cards" style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}>
        {row.workers.map(name => {
          const worker = state.workers.get(name);
          return worker === undefined ? null : (
            <WorkerCard
              key={name}
              worker={worker}
              tasks={state.tasks.get(name)}
              holdings={holdingsOf(name)}
              colors={state.colors}
              pause={state.limits.pause}
              scale={scale}
              disabled={disabled}
              most={isVirtual ? MAX_CHIPS_OF_MANY : MAX_CHIPS}
              isOpen={opened.has(name)}
              onToggle={toggleChips}
            />
          );
        })}
      </div>
    );
  const items = virtual.getVirtualItems();
  return (
    <section className="jp-Moorage-section jp-Moorage-workers" aria-label={trans.__('Workers')}>
      <h2>
        {trans.__('Workers')}
        <span className="jp-Moorage-space" />
        {state.hosts.length > 1 ? <small>{trans.__('by host')}</small> : null}
      </h2>
      {carried !== null ? (
        <Tiles state={state} carried={carried} />
      ) : state.workers.size > 0 ? (
        <Legend
          hasPlaced={state.variables.size > 0}
          hasShared={hasShared}
          hasLimit={hasLimit}
          parts={parts}
        />
      ) : null}
      <div ref={scroller} className="jp-Moorage-list" {...roving}>
        <ScrolledByDrag>
          {state.workers.size === 0 ? (
            <p className="jp-Moorage-hint">
              {trans.__('No workers yet. What you place is recorded and sent to them as they join.')}
            </p>
          ) : isVirtual ? (
            <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
              {items.map(item => {
                const row = rows[item.index];
                return row === undefined ? null : (
                  <div
                    key={rowKey(row)}
                    ref={virtual.measureElement}
                    data-index={item.index}
                    className="jp-Moorage-virtual"
                    style={{ transform: `translateY(${item.start}px)` }}
                  >
                    {renderRow(row)}
                  </div>
                );
              })}
            </div>
          ) : (
            rows.map(row => <div key={rowKey(row)}>{renderRow(row)}</div>)
          )}
        </ScrolledByDrag>
      </div>
    </section>
  );
});

// For dnd-kit, which scrolls what is around it.
function ScrolledByDrag({ children }: { children: ReactNode }): ReactElement {
  const { setNodeRef } = useDroppable({ id: WORKERS });
  return <div ref={setNodeRef}>{children}</div>;
}

function HostHead({
  state,
  group,
  isOpen,
  onToggle
}: {
  state: IBoardState;
  group: IHostGroup;
  isOpen: boolean;
  onToggle(host: string): void;
}): ReactElement {
  const trans = useTranslate();
  const hand = useHand();
  const target: Target = { kind: 'host', host: group.host };
  const isOver = hand.over !== null && targetId(hand.over) === targetId(target);
  let used = 0;
  let limit = 0;
  for (const name of group.workers) {
    const worker = state.workers.get(name);
    used += worker?.process ?? 0;
    limit += worker?.memory_limit ?? 0;
  }
  return (
    <h3
      className={`jp-Moorage-host${dropClass(hand.previewAt(target), isOver)}`}
      data-moorage-host={group.host}
    >
      <button type="button" aria-expanded={isOpen} onClick={() => onToggle(group.host)}>
        <ChevronIcon />
        <span className="jp-Moorage-host-name" title={group.host}>
          {group.host}
        </span>
        <span className="jp-Moorage-dim">
          {[
            trans._n('%1 worker', '%1 workers', group.workers.length),
            limit > 0 ? formatBytesOf(trans, used, limit) : formatBytes(used)
          ].join(' · ')}
        </span>
      </button>
    </h3>
  );
}

function toRows(hosts: readonly IHostGroup[], columns: number, closed: ReadonlySet<string>): readonly Row[] {
  return hosts.flatMap(group => {
    const head: Row[] = hosts.length > 1 ? [{ host: group }] : [];
    if (hosts.length > 1 && closed.has(group.host)) {
      return head;
    }
    const rows: Row[] = [];
    for (let first = 0; first < group.workers.length; first += columns) {
      rows.push({ workers: group.workers.slice(first, first + columns) });
    }
    return [...head, ...rows];
  });
}

function rowKey(row: Row): string {
  return 'host' in row ? `host:${row.host.host}` : `workers:${row.workers[0] ?? ''}`;
}

function isHead(row: Row | undefined): boolean {
  return row !== undefined && 'host' in row;
}

function hasTarget(row: Row, target: Target): boolean {
  return 'host' in row
    ? target.kind === 'host' && row.host.host === target.host
    : target.kind === 'worker' && row.workers.includes(target.worker);
}

// Workers without a limit share a scale: the largest of them fills most of its bar.
function barScale(workers: IBoardState['workers']): number {
  let largest = 1;
  for (const { process, managed, memory_limit } of workers.values()) {
    if (memory_limit === 0) {
      largest = Math.max(largest, process, managed);
    }
  }
  return largest * 1.25;
}

function useColumns(element: React.RefObject<HTMLElement>): number {
  const [columns, setColumns] = useState(1);
  useLayoutEffect(() => {
    if (element.current === null || typeof ResizeObserver === 'undefined') {
      return;
    }
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) {
        setColumns(Math.max(1, Math.floor(entry.contentRect.width / CARD_WIDTH)));
      }
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return columns;
}

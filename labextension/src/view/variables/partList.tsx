// The parts of a variable as a list. It is one tab stop: the arrow keys go from part to part, with Shift they select up to
// there, Enter takes up what is selected.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactElement, useId, useRef, useState } from 'react';

import { shortName } from '../../store/names';
import { type IPartsTable, holdersOf, isTakeable, nameOfPart, positionOf } from '../../store/parts';
import type { IPartSelection } from './partSelection';
import { howOf } from './selection';
import { type ITranslate, useTranslate } from '../common/useTranslate';
import { formatBytes } from '../common/words';

/** Pixels of a row, and rows that are in sight. */
const ROW_HEIGHT = 19;
const IN_SIGHT = 8;

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: IN_SIGHT,
  PageUp: -IN_SIGHT,
  Home: -Infinity,
  End: Infinity
};

interface IPartListProps {
  table: IPartsTable;
  selection: IPartSelection;
  disabled: boolean;
}

export function PartList({ table, selection, disabled }: IPartListProps): ReactElement {
  const trans = useTranslate();
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const { selected, select } = selection;
  const count = table.nbytes.length;
  const [wanted, setActive] = useState(0);
  const active = Math.max(0, Math.min(wanted, count - 1));
  const isNamed = isTakeable(table);
  const isOfItems = table.errors !== undefined;
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoised over the virtualizer
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => list.current,
    estimateSize: () => ROW_HEIGHT,
    initialRect: { width: 300, height: IN_SIGHT * ROW_HEIGHT },
    overscan: 4
  });
  const goTo = (to: number, isSelecting: boolean): void => {
    if (isSelecting && isNamed) {
      // What was selected elsewhere is selected no longer, as in a list of files.
      if (!selected.has(active)) {
        select(active, 'one', false);
      }
      select(to, 'range', false);
    }
    setActive(to);
    virtual.scrollToIndex(to);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    const withModifier = event.shiftKey || event.ctrlKey || event.metaKey;
    if (step !== undefined) {
      goTo(Math.min(count - 1, Math.max(0, active + step)), event.shiftKey);
    } else if (event.key.toLowerCase() === 'a' && (event.ctrlKey || event.metaKey) && isNamed) {
      select(active, 'all', false);
    } else if (event.key === 'Escape' && selected.size > 0) {
      select(active, 'none', false);
    } else if (withModifier && (event.key === 'Enter' || event.key === ' ') && isNamed) {
      select(active, howOf(event), false);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      <div
        ref={list}
        className="jp-Moorage-part-list"
        role="listbox"
        aria-label={isOfItems ? trans.__('Items') : trans.__('Parts')}
        aria-multiselectable={isNamed}
        aria-disabled={disabled}
        aria-activedescendant={`${id}${active}`}
        tabIndex={0}
        data-moorage-active-part={isNamed && count > 0 ? nameOfPart(table, active) : undefined}
        data-moorage-explains={isOfItems && count > 0 ? nameOfPart(table, active) : undefined}
        onKeyDown={onKeyDown}
      >
        <div role="presentation" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start }) => (
            <div
              key={index}
              id={`${id}${index}`}
              role="option"
              aria-selected={selected.has(index)}
              aria-disabled={disabled}
              aria-setsize={table.total}
              aria-posinset={index + 1}
              className={`jp-Moorage-part${index === active ? ' jp-mod-active' : ''}`}
              style={{ transform: `translateY(${start}px)` }}
              data-moorage-part={isNamed ? nameOfPart(table, index) : undefined}
              data-moorage-explains={isOfItems ? nameOfPart(table, index) : undefined}
              data-moorage-state={table.states[index]}
              onClick={event => {
                setActive(index);
                if (isNamed) {
                  select(index, howOf(event), false);
                }
              }}
            >
              <span>{table.labels?.[index] ?? positionOf(table, index).join(', ')}</span>
              <span
                className={`jp-Moorage-ellipsis${table.states[index] === 'failed' ? ' jp-Moorage-failed' : ''}`}
                title={table.errors?.[index]}
              >
                {isOfItems ? itemWords(trans, table, index) : whereWords(trans, table, index)}
              </span>
              <span className="jp-Moorage-dim">{sizeWords(table.nbytes[index] ?? -1)}</span>
            </div>
          ))}
        </div>
      </div>
      {count < table.total ? (
        <small className="jp-Moorage-dim">
          {isOfItems
            ? trans.__('the first %1 of %2 items', count, table.total)
            : trans.__('the first %1 of %2 parts', count, table.total)}
        </small>
      ) : null}
    </>
  );
}

function whereWords(trans: ITranslate, table: IPartsTable, index: number): string {
  const holders = holdersOf(table, index);
  return holders.length > 0
    ? holders.map(shortName).join(', ')
    : trans.__('on no worker: %1', table.states[index] ?? '');
}

// "failed on bob: ValueError: no"
function itemWords(trans: ITranslate, table: IPartsTable, index: number): string {
  const [worker] = holdersOf(table, index);
  const state = stateWords(trans, table.states[index]);
  const how = worker === undefined ? state : trans.__('%1 on %2', state, shortName(worker));
  const error = table.errors?.[index] ?? '';
  return error === '' ? how : `${how}: ${error}`;
}

function stateWords(trans: ITranslate, state: string | undefined): string {
  switch (state) {
    case 'done':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
    case 'cancelled':
      return trans.__('cancelled');
    case 'running':
      return trans.__('running');
    case 'forgotten':
      return trans.__('forgotten');
    case 'local':
      return trans.__('in the notebook');
    default:
      return trans.__('waiting');
  }
}

function sizeWords(nbytes: number): string {
  return nbytes < 0 ? '' : formatBytes(nbytes);
}

// Which variables are selected, by clicks on their rows, and by keys: with Shift the arrow keys select up to where they go,
// Ctrl+A selects all, Escape none.
import { type KeyboardEvent, type MouseEvent, useCallback, useMemo, useRef, useState } from 'react';

import type { IBoardState } from '../../store/state';
import { focused } from '../common/tree';

const NONE: ReadonlySet<string> = new Set();

/** How something is taken into the selection: alone, added or removed, all up to it, or all that there are; or nothing is. */
export type Select = 'one' | 'toggle' | 'range' | 'all' | 'none';

/** How a press selects. A finger has no modifier: each tap selects one more. */
export function howOf(event: KeyboardEvent | MouseEvent): Select {
  const isByFinger = 'pointerType' in event.nativeEvent && event.nativeEvent.pointerType === 'touch';
  return event.shiftKey ? 'range' : event.ctrlKey || event.metaKey || isByFinger ? 'toggle' : 'one';
}

/** The names that are selected and still there, and what a click does. */
export function useSelection(
  state: IBoardState,
  candidates: readonly { name: string }[]
): [ReadonlySet<string>, (name: string, how: Select) => void] {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const last = useRef<string | null>(null);
  const rows = useMemo(
    () => [...state.variables.keys(), ...candidates.map(({ name }) => name)],
    [state.variables, candidates]
  );
  const selection = useMemo(() => {
    if (chosen.length === 0) {
      return NONE;
    }
    const present = new Set(rows);
    return new Set(chosen.filter(name => present.has(name)));
  }, [chosen, rows]);
  // What comes under the name of one that has gone is another, which nobody has selected.
  if (selection.size < chosen.length) {
    setChosen([...selection]);
  }
  const select = useCallback(
    (name: string, how: Select) => {
      const to = rows.indexOf(name);
      const anchor = rows.indexOf(last.current ?? name);
      const from = anchor < 0 ? to : anchor;
      if (how === 'one' || how === 'toggle') {
        last.current = name;
      }
      setChosen(before => {
        switch (how) {
          case 'one':
            return before.length === 1 && before[0] === name ? [] : [name];
          case 'toggle':
            return before.includes(name) ? before.filter(other => other !== name) : [...before, name];
          case 'range':
            return rows.slice(Math.min(from, to), Math.max(from, to) + 1);
          case 'all':
            return rows;
          case 'none':
            return [];
        }
      });
    },
    [rows]
  );
  return [selection, select];
}

/** Select by keys; `walk` moves the focus as the key says. */
export function selectByKey(
  event: KeyboardEvent<HTMLElement>,
  selection: ReadonlySet<string>,
  select: (name: string, how: Select) => void,
  walk: (event: KeyboardEvent<HTMLElement>) => void
): void {
  const from = nameOf(event.target as Element);
  const isAll = event.key.toLowerCase() === 'a' && (event.ctrlKey || event.metaKey);
  if (isAll || (event.key === 'Escape' && selection.size > 0)) {
    event.preventDefault();
    event.stopPropagation();
    select(from ?? '', isAll ? 'all' : 'none');
    return;
  }
  walk(event);
  const to = nameOf(focused());
  if (!event.shiftKey || !event.defaultPrevented || from === to) {
    return;
  }
  // What was selected elsewhere is selected no longer, as in a list of files.
  if (from !== null && !selection.has(from)) {
    select(from, 'one');
  }
  if (to !== null) {
    select(to, 'range');
  }
}

function nameOf(element: Element | null): string | null {
  return element?.closest<HTMLElement>('[data-moorage-variable]')?.dataset['moorageVariable'] ?? null;
}

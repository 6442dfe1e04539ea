// Which variables are selected, by clicks on their rows.
import { useCallback, useMemo, useRef, useState } from 'react';

import type { IBoardState } from '../store/state';
import type { Select } from './variableRow';

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
    const present = new Set(rows);
    return new Set(chosen.filter(name => present.has(name)));
  }, [chosen, rows]);
  const select = useCallback(
    (name: string, how: Select) => {
      const from = rows.indexOf(last.current ?? name);
      const to = rows.indexOf(name);
      if (how !== 'range') {
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
        }
      });
    },
    [rows]
  );
  return [selection, select];
}

// Which parts of an open row are selected, in its picture and its list alike.
import { useCallback, useRef, useState } from 'react';

import { type IPartsTable, between } from '../../store/parts';
import type { Select } from './selection';

export interface IPartSelection {
  /** Their indices. */
  readonly selected: ReadonlySet<number>;
  /** `asGrid`: up to it means all blocks in the rectangle, rather than all in the list. */
  select(index: number, how: Select, asGrid: boolean): void;
}

export function usePartSelection(table: IPartsTable | null): IPartSelection {
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const anchor = useRef<number | null>(null);
  const select = useCallback(
    (index: number, how: Select, asGrid: boolean) => {
      if (table === null) {
        return;
      }
      const from = anchor.current ?? index;
      if (how === 'one' || how === 'toggle') {
        anchor.current = index;
      }
      setSelected(before => {
        switch (how) {
          case 'one':
            return new Set(before.size === 1 && before.has(index) ? [] : [index]);
          case 'toggle':
            return new Set(
              before.has(index) ? [...before].filter(other => other !== index) : [...before, index]
            );
          case 'range':
            return new Set(between(table, from, index, asGrid));
          case 'all':
            return new Set(table.cells.keys());
          case 'none':
            return new Set();
        }
      });
    },
    [table]
  );
  return { selected, select };
}

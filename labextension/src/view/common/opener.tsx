// What opens a row into its parts, and closes it again: a button for the pointer; by keyboard, the arrow keys on the row.
import type { KeyboardEvent, ReactElement } from 'react';

import { ChevronIcon } from './icons';
import { useTranslate } from './useTranslate';

export interface IOpenable {
  /** Whether the parts are shown; null: there are none to show. */
  isOpen: boolean | null;
  onToggle(name: string): void;
}

interface IOpenerProps extends IOpenable {
  name: string;
  /** It is of items of results. */
  isOfItems?: boolean;
}

export function Opener({ name, isOpen, onToggle, isOfItems }: IOpenerProps): ReactElement | null {
  const trans = useTranslate();
  if (isOpen === null) {
    return null;
  }
  const label =
    isOfItems === true
      ? isOpen
        ? trans.__('Hide the items of %1', name)
        : trans.__('Show the items of %1', name)
      : isOpen
        ? trans.__('Hide the parts of %1', name)
        : trans.__('Show the parts of %1', name);
  return (
    <button
      type="button"
      className="jp-Moorage-opener"
      tabIndex={-1}
      title={label}
      aria-label={label}
      aria-expanded={isOpen}
      onClick={() => onToggle(name)}
    >
      <ChevronIcon />
    </button>
  );
}

/** Whether a key has opened or closed the row, as in a tree. */
export function toggledByKey(event: KeyboardEvent, name: string, { isOpen, onToggle }: IOpenable): boolean {
  const isWanted =
    (event.key === 'ArrowRight' && isOpen === false) || (event.key === 'ArrowLeft' && isOpen === true);
  if (isWanted && !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    event.stopPropagation();
    onToggle(name);
    return true;
  }
  return false;
}

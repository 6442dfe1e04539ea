// What can be taken up: rows of the list of variables, parts below them, and chips. The two lists together are one thing to dnd-kit, which
// would otherwise look at each of hundreds of chips whenever something moves; what was taken is seen where it was taken.
import { type Active, useDraggable } from '@dnd-kit/core';
import { type KeyboardEvent, type SyntheticEvent, useRef } from 'react';

import type { IParts } from '../../store/parts';

const ENABLED = ':not([aria-disabled="true"], button)';
const TAKEABLE = `[data-roving]${ENABLED}, [data-moorage-part]${ENABLED}`;
/** With the focus on it; a list of parts has it for the one that is active there. */
const TAKEABLE_BY_KEY = `[data-roving]${ENABLED}, [data-moorage-active-part]${ENABLED}`;

/** Something taken up, or clicked on. */
export interface ITaken {
  readonly name: string;
  /** The worker on whose card it is; null: in the list. */
  readonly from: string | null;
  /** Whose part it is. */
  readonly of?: string;
}

/** What goes along when something is taken up. */
export interface ICargo {
  readonly names: readonly string[];
  readonly parts?: ReadonlyMap<string, IParts>;
}

/** Of rows that are open, what goes along with one of their parts; by the name of the row. */
export type PartsGrabs = Map<string, (part: string) => ReadonlyMap<string, IParts>>;

/** The variable that an element shows; null when it shows none. */
export function variableAt(element: Element): ITaken | null {
  const chip = element.closest<HTMLElement>('[data-moorage-held], [data-moorage-pending]');
  if (chip !== null) {
    const name = chip.dataset['moorageHeld'] ?? chip.dataset['mooragePending'] ?? '';
    const card = chip.closest<HTMLElement>('[data-moorage-worker]');
    return { name, from: card?.dataset['moorageWorker'] ?? null };
  }
  const part = element.closest<HTMLElement>('[data-moorage-part], [data-moorage-active-part]');
  if (part !== null) {
    const name = part.dataset['mooragePart'] ?? part.dataset['moorageActivePart'] ?? '';
    const whole = part.closest<HTMLElement>('[data-moorage-parts]')?.dataset['moorageParts'] ?? '';
    return { name, from: null, of: whole };
  }
  const row = element.closest<HTMLElement>('[data-moorage-variable], [data-moorage-collection]')?.dataset;
  const name = row?.['moorageVariable'] ?? row?.['moorageCollection'];
  return name === undefined ? null : { name, from: null };
}

/** What goes along: all that is selected, if it is one of these. */
export function together(
  { name, from, of }: ITaken,
  selection: ReadonlySet<string>,
  grabs: PartsGrabs
): ICargo {
  const parts = of === undefined ? undefined : grabs.get(of)?.(name);
  if (parts !== undefined) {
    return { names: [...parts.keys()], parts };
  }
  return { names: from === null && selection.has(name) ? [...selection] : [name] };
}

/** What was pressed when a drag began. Of an event in a shadow tree this can be told only while it is heard. */
export function pressedIn({ data }: Active): HTMLElement {
  return (data.current as { current: HTMLElement | null }).current ?? document.body;
}

interface ITakeableArea {
  readonly ref: (element: HTMLElement | null) => void;
  readonly props: {
    onMouseDown(event: SyntheticEvent): void;
    onTouchStart(event: SyntheticEvent): void;
    onKeyDown(event: KeyboardEvent<HTMLElement>): void;
  };
}

/** Lets what is in an element be taken up: by mouse and touch, which is dnd-kit's part, or with Enter or the space bar. */
export function useTakeableArea(
  disabled: boolean,
  pickUp: (taken: ITaken, source: HTMLElement) => void
): ITakeableArea {
  const press = useRef<HTMLElement | null>(null);
  const { setNodeRef, listeners } = useDraggable({ id: 'variable', disabled, data: press });
  const begin = (event: SyntheticEvent, listener: 'onMouseDown' | 'onTouchStart'): void => {
    press.current = event.target as HTMLElement;
    if ((event.target as Element).closest(TAKEABLE) !== null) {
      listeners?.[listener]?.(event);
    }
  };
  return {
    ref: setNodeRef,
    props: {
      onMouseDown: event => begin(event, 'onMouseDown'),
      onTouchStart: event => begin(event, 'onTouchStart'),
      onKeyDown: event => {
        const source = event.target as HTMLElement;
        const taken = source.matches(TAKEABLE_BY_KEY) ? variableAt(source) : null;
        if (taken !== null && isPress(event)) {
          event.preventDefault();
          event.stopPropagation();
          pickUp(taken, source);
        }
      }
    }
  };
}

// With a modifier it selects, see variableRow.tsx.
function isPress({ key, ctrlKey, metaKey, shiftKey }: KeyboardEvent): boolean {
  return (key === 'Enter' || key === ' ') && !ctrlKey && !metaKey && !shiftKey;
}

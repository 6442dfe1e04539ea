// Something that can be taken up: by dragging, or with Enter or the space bar.
import { useDraggable } from '@dnd-kit/core';
import type { HTMLAttributes, KeyboardEvent } from 'react';

import { useHand } from './context';

/** What a drag carries, as dnd-kit keeps it. */
export interface IDragData {
  readonly name: string;
  /** The worker on whose card it was taken. */
  readonly from: string | null;
}

interface ITakeable {
  readonly ref: (element: HTMLElement | null) => void;
  readonly props: HTMLAttributes<HTMLElement>;
  readonly isCarried: boolean;
}

/** Make an element takeable; `names` is what the hand then carries. */
export function useTakeable(
  name: string,
  from: string | null,
  names: readonly string[],
  disabled: boolean
): ITakeable {
  const hand = useHand();
  const data: IDragData = { name, from };
  const { setNodeRef, listeners } = useDraggable({
    id: from === null ? `variable:${name}` : `chip:${from}:${name}`,
    data,
    disabled
  });
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    if (!disabled && (event.key === 'Enter' || event.key === ' ') && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      hand.pickUp(names, from, event.currentTarget);
    }
  };
  return {
    ref: setNodeRef,
    props: { ...listeners, onKeyDown },
    isCarried: hand.carried !== null && hand.carried.from === from && hand.carried.names.includes(name)
  };
}

// What divides the two lists, and where: to be dragged, or moved with the arrow keys; a double click lets them divide the room
// themselves again. The browser keeps where it is, once for lists one above the other and once for lists side by side.
import {
  type CSSProperties,
  type KeyboardEvent,
  type PointerEvent,
  type ReactElement,
  type RefObject,
  useLayoutEffect,
  useRef,
  useState
} from 'react';

import { useTranslate } from './useTranslate';

const KEY = 'moorage:split';
/** Pixels of the board from which the lists are side by side, as in board.css. */
const BESIDE = 680;
/** Parts of the room that either list keeps, and that a key moves. */
const LEAST = 0.12;
const STEP = 0.04;

const NOWHERE = { left: 0, top: 0, width: 0, height: 0 };

type Way = 'above' | 'beside';

/** The part of the room that the first list has, by how they lie; absent: as much as it needs. */
type Parts = Readonly<Partial<Record<Way, number | undefined>>>;

export interface ISplit {
  readonly way: Way;
  readonly part: number | null;
  /** null: the lists divide the room themselves. */
  move(part: number | null): void;
}

/** How the lists of a board divide its room. */
export function useSplit(board: RefObject<HTMLElement>): ISplit {
  const [parts, setParts] = useState(kept);
  const [way, setWay] = useState<Way>('above');
  useLayoutEffect(() => {
    if (board.current === null || typeof ResizeObserver === 'undefined') {
      return;
    }
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) {
        setWay(entry.contentRect.width >= BESIDE ? 'beside' : 'above');
      }
    });
    observer.observe(board.current);
    return () => observer.disconnect();
  }, [board]);
  const part = parts[way] ?? null;
  const move = (to: number | null): void => {
    const next = { ...parts, [way]: to === null ? undefined : Math.min(1 - LEAST, Math.max(LEAST, to)) };
    setParts(next);
    keep(next);
  };
  return { way, part, move };
}

/** What a split gives to what contains the lists. */
export function splitStyle({ part }: ISplit): CSSProperties {
  return part === null ? {} : ({ '--jp-moorage-split': `${100 * part}%` } as CSSProperties);
}

/** Stands between the two lists. */
export function Splitter({ split }: { split: ISplit }): ReactElement {
  const trans = useTranslate();
  const bar = useRef<HTMLDivElement>(null);
  const isBeside = split.way === 'beside';
  // Of the whole body; where the bar lies, if nobody has moved it.
  const partAt = (position: number): number => {
    const { left, top, width, height } = bar.current?.parentElement?.getBoundingClientRect() ?? NOWHERE;
    return isBeside ? (position - left) / Math.max(1, width) : (position - top) / Math.max(1, height);
  };
  const now = (): number => {
    const { left, top } = bar.current?.getBoundingClientRect() ?? NOWHERE;
    return split.part ?? partAt(isBeside ? left : top);
  };
  const onPointerMove = (event: PointerEvent<HTMLElement>): void => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) {
      split.move(partAt(isBeside ? event.clientX : event.clientY));
    }
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const [less, more] = isBeside ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    const to = {
      [less]: () => now() - STEP,
      [more]: () => now() + STEP,
      Home: () => LEAST,
      End: () => 1 - LEAST,
      Enter: () => null
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      split.move(to());
    }
  };
  return (
    <div
      ref={bar}
      className="jp-Moorage-splitter"
      role="separator"
      tabIndex={0}
      aria-label={trans.__('Room for variables')}
      aria-orientation={isBeside ? 'vertical' : 'horizontal'}
      aria-valuemin={100 * LEAST}
      aria-valuemax={100 * (1 - LEAST)}
      aria-valuenow={Math.round(100 * (split.part ?? (isBeside ? 0.34 : 0.46)))}
      aria-valuetext={split.part === null ? trans.__('as much as they need') : undefined}
      title={trans.__('Drag to divide the room; double-click to let it divide itself')}
      onPointerDown={event => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={onPointerMove}
      onKeyDown={onKeyDown}
      onDoubleClick={() => split.move(null)}
    />
  );
}

// Where a page may keep nothing, as in some frames, it is forgotten with the page.
function kept(): Parts {
  try {
    const { above, beside } = JSON.parse(window.localStorage.getItem(KEY) ?? '{}') as Record<string, unknown>;
    return {
      ...(isPart(above) ? { above } : {}),
      ...(isPart(beside) ? { beside } : {})
    };
  } catch {
    return {};
  }
}

function keep(parts: Parts): void {
  try {
    window.localStorage.setItem(KEY, JSON.stringify(parts));
  } catch {
    // see above
  }
}

function isPart(value: unknown): value is number {
  return typeof value === 'number' && value >= LEAST && value <= 1 - LEAST;
}

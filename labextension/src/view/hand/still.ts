// A board that holds still for whoever takes something from it. What a pointer is pressed on stays what and where it is until
// the press has ended and its click has come; while something is carried, the list it may have come from stays, and each worker
// keeps its box, of whatever it tells then. What has changed in the meantime is shown after the drop.
import {
  type PointerEvent,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState
} from 'react';

import { inPlace } from '../../store/hosts';
import type { IBoardState } from '../../store/state';

/** What is pressed to take it, or to do something with it; not a scroll bar, whose release is not always told. */
const PRESSED = '[data-roving], button';
/** Milliseconds until the click of a press has come, which of a finger is later than its end. */
const CLICK = 100;

interface IStill {
  /** For the list of variables. */
  readonly variables: IBoardState;
  /** For the list of workers: targets say what is so now. */
  readonly workers: IBoardState;
  onPointerDownCapture(event: PointerEvent): void;
}

/** What both lists show of `state`. */
export function useStill(state: IBoardState, isCarrying: boolean): IStill {
  const [isPressed, setPressed] = useState(false);
  const [kept, setKept] = useState<IBoardState | null>(null);
  const ends = useRef<number[]>([]); // timers; the first one that comes to its time ends the press
  const holdsStill = isPressed || isCarrying;
  if (holdsStill !== (kept !== null)) {
    setKept(holdsStill ? state : null);
  }
  useEffect(() => {
    if (!isPressed) {
      return;
    }
    const timers = ends.current;
    const end = (): void => void timers.push(window.setTimeout(() => setPressed(false), CLICK));
    const endIfOver = ({ buttons }: globalThis.PointerEvent): void => {
      if (buttons === 0) {
        end();
      }
    };
    window.addEventListener('pointerup', end);
    window.addEventListener('pointercancel', end);
    window.addEventListener('blur', end);
    window.addEventListener('pointermove', endIfOver);
    return () => {
      timers.splice(0).forEach(window.clearTimeout);
      window.removeEventListener('pointerup', end);
      window.removeEventListener('pointercancel', end);
      window.removeEventListener('blur', end);
      window.removeEventListener('pointermove', endIfOver);
    };
  }, [isPressed]);
  const placed = useMemo(() => (kept === null ? state : stayed(kept, state)), [kept, state]);
  return {
    variables: kept ?? state,
    workers: isCarrying || kept === null ? placed : kept,
    onPointerDownCapture: event => {
      if ((event.target as Element).closest(PRESSED) !== null) {
        ends.current.splice(0).forEach(window.clearTimeout); // of the press before, when this one comes quickly
        setPressed(true);
      }
    }
  };
}

// Workers as they are now, where they were: one that has gone may come back under its name, and takes what is dropped on it.
function stayed(before: IBoardState, now: IBoardState): IBoardState {
  if (before.workers === now.workers) {
    return now;
  }
  const gone = [...before.workers.values()].filter(({ name }) => !now.workers.has(name));
  return {
    ...now,
    hosts: inPlace(before.hosts, now.hosts),
    workers: new Map([
      ...now.workers,
      ...gone.map(worker => [worker.name, { ...worker, status: 'closing' }] as const)
    ])
  };
}

/** What is as high as what it tells, and moves what comes after it. */
const BOXES = ['cluster', 'body', 'variables', 'targets', 'worker', 'drawer']
  .map(name => `.jp-Moorage-${name}`)
  .join();

/** While something is carried, each box in `root` stays as high as it was when it was seen first; `by`: in which way. */
export function useKeptBoxes(root: RefObject<HTMLElement>, by: 'drag' | 'hold' | null): void {
  // After each change: cards come into sight when the list scrolls.
  useLayoutEffect(() => {
    if (by !== null) {
      const fresh = boxesIn(root.current).filter(({ style }) => style.maxHeight === '');
      const heights = fresh.map(box => getComputedStyle(box).height);
      fresh.forEach((box, index) => keepHeight(box, heights[index] ?? ''));
    }
  });
  useLayoutEffect(() => {
    const board = root.current;
    return by === null ? undefined : () => boxesIn(board).forEach(box => keepHeight(box, ''));
  }, [root, by]);
}

function boxesIn(root: HTMLElement | null): HTMLElement[] {
  return [...(root?.querySelectorAll<HTMLElement>(BOXES) ?? [])];
}

// Both, since what shares out its room goes by these alone.
function keepHeight({ style }: HTMLElement, height: string): void {
  style.minHeight = height;
  style.maxHeight = height;
}

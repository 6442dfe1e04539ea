// A board that holds still for whoever takes something from it. What a pointer is pressed on stays what and where it is until
// the press has ended and its click has come; while something is carried, the list it may have come from stays, and workers
// keep their places. What has changed in the meantime is shown then.
import { type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';

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
  const hosts = kept === null ? state.hosts : kept.hosts;
  const placed = useMemo(
    () => (hosts === state.hosts ? state : { ...state, hosts: inPlace(hosts, state.hosts) }),
    [state, hosts]
  );
  return {
    variables: kept ?? state,
    workers: isPressed && kept !== null ? kept : placed,
    onPointerDownCapture: event => {
      if ((event.target as Element).closest(PRESSED) !== null) {
        ends.current.splice(0).forEach(window.clearTimeout); // of the press before, when this one comes quickly
        setPressed(true);
      }
    }
  };
}

// The hand: what it carries, over what, and what becomes of it. Dragging is dnd-kit's part. What is picked up by a key, or by
// a long press that ends where it began, is held without a pointer: the arrow keys go from target to target in the order of
// the page, and a press on one drops it there.
import type { DragEndEvent, DragMoveEvent, DragStartEvent } from '@dnd-kit/core';
import {
  type KeyboardEvent,
  type MouseEvent,
  type SyntheticEvent,
  type TouchEvent as ReactTouchEvent,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState
} from 'react';

import { type ICarried, type Target, targetId } from '../../store/gestures';
import type { IHostGroup } from '../../store/hosts';
import { type IPreview, preview, previewer } from '../../store/preview';
import type { IBoardState } from '../../store/state';
import type { IHand, INotebook } from '../common/context';
import { type ICargo, type ITaken, type PartsGrabs, pressedIn, together, variableAt } from './draggable';
import { hitOf, targetAt } from './hits';
import { tilesFor } from './tiles';
import { focused } from '../common/tree';
import type { ITranslate } from '../common/useTranslate';
import { previewWords, targetWords, variableNames } from '../common/words';

interface IHeld extends ICargo {
  readonly from: string | null;
  readonly by: 'drag' | 'hold';
  readonly over: Target | null;
  /** Over the notebook, which takes variables. */
  readonly isOutside: boolean;
}

export interface IHandState {
  /** For all parts of the board; changes only when what is in the hand does. */
  readonly hand: IHand;
  readonly by: 'drag' | 'hold' | null;
  readonly isOutside: boolean;
  /** Take something up to hold it. */
  pickUp(taken: ITaken, source: HTMLElement): void;
  /** Put back what is held. */
  putBack(): void;
  /** For the whole board: what is held is dropped by a press, and nothing else is done by it. */
  readonly presses: IPresses;
  onDragStart(event: DragStartEvent): void;
  onDragMove(event: DragMoveEvent): void;
  onDragEnd(event: DragEndEvent): void;
  onDragCancel(): void;
  onKeyDown(event: KeyboardEvent<HTMLElement>): void;
  onBlur(): void;
}

interface IPresses {
  onPointerDownCapture(): void;
  onMouseDownCapture(event: MouseEvent): void;
  onTouchStartCapture(event: ReactTouchEvent): void;
  onClickCapture(event: MouseEvent): void;
}

interface IHandOptions {
  state: IBoardState;
  /** The workers as they are shown. */
  shown: readonly IHostGroup[];
  selection: ReadonlySet<string>;
  grabs: PartsGrabs;
  notebook: INotebook | null;
  trans: ITranslate;
  announce(text: string): void;
  /** Bring a target into sight. */
  reveal(target: Target): void;
  /** Take the focus while something is held. */
  focusHand(): void;
  perform(carried: ICarried, target: Target, preview: IPreview): void;
}

export function useHandState(options: IHandOptions): IHandState {
  const { state, selection, grabs, notebook, trans, announce, reveal, focusHand, perform } = options;
  const [held, setHeld] = useState<IHeld | null>(null);
  const isShifted = useShift(held?.by === 'drag');
  const source = useRef<HTMLElement | null>(null);
  // Since something was picked up: the press that did that drops nothing, however late its click comes.
  const isPressed = useRef(false);

  const names = held?.names ?? null;
  const parts = held?.parts;
  const from = held?.from ?? null;
  const over = held?.over ?? null;
  const carried = useMemo(
    () => (names === null ? null : { names, from, move: isShifted, ...withParts(parts) }),
    [names, parts, from, isShifted]
  );
  // With an empty hand nothing depends on the state, and nobody has to look again when it changes.
  const shown = carried === null ? null : state;
  const previewAt = useMemo(
    () => (carried === null || shown === null ? () => null : previewer(shown, carried)),
    [shown, carried]
  );
  const hand = useMemo(() => ({ carried, over, previewAt }), [carried, over, previewAt]);

  // Said again when something else becomes true of the target in the meantime.
  const result = over === null ? null : previewAt(over);
  const words =
    held?.by !== 'hold' || carried === null || over === null || result === null
      ? null
      : `${targetWords(trans, over)}: ${previewWords(trans, state, carried, over, result)}`;
  useEffect(() => {
    if (words !== null) {
      announce(words);
    }
  }, [words, announce]);

  const drop = useCallback(
    (what: ICarried, target: Target) => {
      const result = preview(state, what, target);
      if (result.refusal === null) {
        announce(trans.__('Dropped %1 on %2.', variableNames(trans, what.names), targetWords(trans, target)));
        perform(what, target, result);
      } else {
        announce(trans.__('Not dropped: %1.', previewWords(trans, state, what, target, result)));
      }
    },
    [state, trans, announce, perform]
  );

  const letGo = useCallback((refocus: boolean) => {
    setHeld(null);
    if (refocus && source.current !== null) {
      again(source.current)?.focus();
    }
    source.current = null;
  }, []);

  const pickUp = useCallback(
    (taken: ITaken, element: HTMLElement) => {
      const cargo = together(taken, selection, grabs);
      source.current = element;
      isPressed.current = false;
      setHeld({ ...cargo, from: taken.from, by: 'hold', over: null, isOutside: false });
      focusHand();
      announce(
        trans.__(
          'Picked up %1. Arrow keys choose where, Enter drops, Shift and Enter moves, Escape cancels.',
          variableNames(trans, cargo.names)
        )
      );
    },
    [selection, grabs, announce, focusHand, trans]
  );

  const putBack = useCallback(() => {
    announce(trans.__('Cancelled.'));
    letGo(true);
  }, [announce, letGo, trans]);

  const whileHeld = (event: SyntheticEvent): boolean => {
    const isHeld = held?.by === 'hold' && (event.target as Element).closest(IN_HAND) === null;
    if (isHeld) {
      event.stopPropagation();
    }
    return isHeld;
  };
  const presses: IPresses = {
    onPointerDownCapture: () => {
      isPressed.current = true;
    },
    onMouseDownCapture: event => {
      if (held?.by === 'hold') {
        event.preventDefault(); // else the hand loses the focus, and lets go
        whileHeld(event);
      }
    },
    onTouchStartCapture: event => void whileHeld(event),
    onClickCapture: event => {
      if (held === null || !whileHeld(event)) {
        return;
      }
      event.preventDefault();
      if (event.detail > 0 && !isPressed.current) {
        return;
      }
      const target = targetAt(event.target as Element);
      if (target === null) {
        putBack();
      } else {
        drop({ ...cargoOf(held), move: event.shiftKey }, target);
        letGo(true);
      }
    }
  };

  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    if (held?.by !== 'hold') {
      return;
    }
    const step = STEPS[event.key];
    if (step !== undefined) {
      const order = [...tilesFor(state, held.names), ...cards(options.shown)];
      const at =
        held.over === null ? -1 : order.findIndex(other => targetId(other) === targetIdOf(held.over));
      const next = order[Math.min(order.length - 1, Math.max(0, at + step))];
      if (next !== undefined) {
        setHeld({ ...held, over: next });
        reveal(next);
      }
    } else if (event.key === 'Enter' || event.key === ' ') {
      if (held.over !== null) {
        drop({ ...cargoOf(held), move: event.shiftKey }, held.over);
      }
      letGo(true);
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      putBack();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return {
    hand,
    by: held?.by ?? null,
    isOutside: held?.isOutside ?? false,
    pickUp,
    putBack,
    presses,
    onKeyDown,
    onBlur: () => {
      if (held?.by === 'hold') {
        letGo(false);
      }
    },
    onDragStart: ({ active }) => {
      const taken = variableAt(pressedIn(active));
      if (taken !== null) {
        const cargo = together(taken, selection, grabs);
        setHeld({ ...cargo, from: taken.from, by: 'drag', over: null, isOutside: false });
      }
    },
    onDragMove: ({ collisions }) => {
      const hit = hitOf(collisions);
      if (hit === null) {
        return;
      }
      const { target, x, y } = hit;
      const isOutside = target === null && (notebook?.isAt(x, y) ?? false);
      setHeld(before =>
        before === null || (targetIdOf(before.over) === targetIdOf(target) && before.isOutside === isOutside)
          ? before
          : { ...before, over: target, isOutside }
      );
    },
    onDragEnd: ({ active, activatorEvent, delta, collisions }) => {
      const element = pressedIn(active);
      const taken = variableAt(element);
      if (taken !== null && isTouch(activatorEvent) && Math.hypot(delta.x, delta.y) < STILL) {
        pickUp(taken, element.closest<HTMLElement>('[data-roving]') ?? element);
        return;
      }
      const hit = hitOf(collisions);
      if (held !== null && carried !== null) {
        if (held.over !== null) {
          drop(carried, held.over);
        } else if (held.isOutside && hit !== null) {
          notebook?.dropAt(held.names, hit.x, hit.y);
        }
      }
      letGo(false);
    },
    onDragCancel: () => letGo(false)
  };
}

function withParts(parts: ICargo['parts']): Pick<ICargo, 'parts'> {
  return parts === undefined ? {} : { parts };
}

function cargoOf({ names, from, parts }: IHeld): Omit<ICarried, 'move'> {
  return { names, from, ...withParts(parts) };
}

/** What says what is held, and has a button to put it back. */
const IN_HAND = '[data-moorage-in-hand]';

/** Pixels that a finger may move, and has been held in one place. */
const STILL = 10;

function isTouch(event: Event): boolean {
  return typeof TouchEvent !== 'undefined' && event instanceof TouchEvent;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowRight: 1,
  ArrowUp: -1,
  ArrowLeft: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -Infinity,
  End: Infinity
};

/** The targets that are workers and hosts, in the order of the page. */
function cards(hosts: readonly IHostGroup[]): readonly Target[] {
  return hosts.flatMap(({ host, workers }): Target[] => [
    ...(hosts.length > 1 ? [{ kind: 'host', host } as const] : []),
    ...workers.map(worker => ({ kind: 'worker', worker }) as const)
  ]);
}

// The element from which something was taken up, or what stands in its place now.
function again(source: HTMLElement): HTMLElement | undefined {
  const board = focused()?.closest('.jp-Moorage');
  return source.isConnected
    ? source
    : [...(board?.querySelectorAll<HTMLElement>('[data-roving]') ?? [])].find(
        ({ dataset }) => dataset['roving'] === source.dataset['roving']
      );
}

function targetIdOf(target: Target | null): string | null {
  return target === null ? null : targetId(target);
}

/** Whether the shift key is down, while `isWatched`. */
function useShift(isWatched: boolean): boolean {
  const [isDown, setDown] = useState(false);
  useEffect(() => {
    if (!isWatched) {
      return;
    }
    const watch = (event: globalThis.KeyboardEvent | globalThis.MouseEvent): void => setDown(event.shiftKey);
    window.addEventListener('keydown', watch);
    window.addEventListener('keyup', watch);
    window.addEventListener('mousemove', watch);
    return () => {
      window.removeEventListener('keydown', watch);
      window.removeEventListener('keyup', watch);
      window.removeEventListener('mousemove', watch);
      setDown(false);
    };
  }, [isWatched]);
  return isDown;
}

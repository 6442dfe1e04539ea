// Which target a point is on. What is under the pointer is asked of the page when it is needed: targets scroll, come and go
// while something is carried over them, so that places that were measured before would be wrong.
import type { AutoScrollOptions, Collision, CollisionDetection } from '@dnd-kit/core';
import { type RefObject, useCallback, useMemo, useRef } from 'react';

import type { Target } from '../../store/gestures';

const TARGETS = '[data-moorage-target], [data-moorage-host], [data-moorage-worker]';

/** The id by which dnd-kit knows the list of workers, which it scrolls when something is carried to its edge. */
export const WORKERS = 'workers';

/** The target that an element is, or is in; null when there is none. */
export function targetAt(element: Element | null): Target | null {
  const {
    moorageTarget: tile,
    moorageHost: host,
    moorageWorker: worker
  } = elementOfTarget(element)?.dataset ?? {};
  return worker !== undefined
    ? { kind: 'worker', worker }
    : host !== undefined
      ? { kind: 'host', host }
      : tile === 'all-workers' || tile === 'one-per-host' || tile === 'spread' || tile === 'release'
        ? { kind: tile }
        : null;
}

function elementOfTarget(element: Element | null): HTMLElement | null {
  return element?.closest<HTMLElement>(TARGETS) ?? null;
}

/** Where something is, in client coordinates. */
export type IBox = Pick<DOMRect, 'left' | 'right' | 'top' | 'bottom'>;

/** Pixels that a pointer may be off a target until it has left it for what hangs beside that: there are gaps between cards. */
const GAP = 14;

/** What is under the pointer. */
export interface IHit {
  readonly target: Target | null;
  /** In client coordinates. */
  readonly x: number;
  readonly y: number;
}

/** For dnd-kit: the target under the pointer, as the `IHit` of a collision, and what it may scroll; and where that target is. */
export function useHits(board: RefObject<HTMLElement>): {
  collisionDetection: CollisionDetection;
  autoScroll: AutoScrollOptions;
  target(): IBox | null;
} {
  const box = useRef<IBox | null>(null);
  const collisionDetection = useCallback<CollisionDetection>(
    ({ pointerCoordinates, droppableContainers }) => {
      if (pointerCoordinates === null || board.current === null) {
        return [];
      }
      const { x, y } = pointerCoordinates;
      // Not of the document: some notebooks show a board in a shadow tree.
      const element = (board.current.getRootNode() as Document | ShadowRoot).elementFromPoint(x, y);
      const inside = board.current.contains(element) ? element : null;
      const target = targetAt(inside);
      const hit: IHit = { target, x, y };
      box.current =
        elementOfTarget(inside)?.getBoundingClientRect() ?? (isNear(box.current, x, y) ? box.current : null);
      const list = droppableContainers.find(({ node }) => node.current?.contains(element) === true);
      return [{ id: list?.id ?? 'elsewhere', data: hit }];
    },
    [board]
  );
  const autoScroll = useMemo(
    () => ({ canScroll: (element: Element) => board.current?.contains(element) === true }),
    [board]
  );
  const target = useCallback(() => box.current, []);
  return { collisionDetection, autoScroll, target };
}

function isNear(box: IBox | null, x: number, y: number): boolean {
  return (
    box !== null && x > box.left - GAP && x < box.right + GAP && y > box.top - GAP && y < box.bottom + GAP
  );
}

export function hitOf(collisions: readonly Collision[] | null): IHit | null {
  return (collisions?.[0]?.data ?? null) as IHit | null;
}

// Which target a point is on. What is under the pointer is asked of the page when it is needed: targets scroll, come and go
// while something is carried over them, so that places that were measured before would be wrong.
import type { AutoScrollOptions, Collision, CollisionDetection } from '@dnd-kit/core';
import { type RefObject, useCallback, useMemo } from 'react';

import type { Target } from '../store/gestures';

const TARGETS = '[data-moorage-target], [data-moorage-host], [data-moorage-worker]';

/** The id by which dnd-kit knows the list of workers, which it scrolls when something is carried to its edge. */
export const WORKERS = 'workers';

/** The target that an element is, or is in; null when there is none. */
function targetOf(element: Element | null): Target | null {
  const found = element?.closest<HTMLElement>(TARGETS)?.dataset;
  const { moorageTarget: tile, moorageHost: host, moorageWorker: worker } = found ?? {};
  return worker !== undefined
    ? { kind: 'worker', worker }
    : host !== undefined
      ? { kind: 'host', host }
      : tile === 'all-workers' || tile === 'one-per-host' || tile === 'spread' || tile === 'release'
        ? { kind: tile }
        : null;
}

/** What is under the pointer. */
export interface IHit {
  readonly target: Target | null;
  /** In client coordinates. */
  readonly x: number;
  readonly y: number;
}

/** For dnd-kit: the target under the pointer, as the `IHit` of a collision, and what it may scroll. */
export function useHits(board: RefObject<HTMLElement>): {
  collisionDetection: CollisionDetection;
  autoScroll: AutoScrollOptions;
} {
  const collisionDetection = useCallback<CollisionDetection>(
    ({ pointerCoordinates, droppableContainers }) => {
      if (pointerCoordinates === null || board.current === null) {
        return [];
      }
      const { x, y } = pointerCoordinates;
      // Not of the document: some notebooks show a board in a shadow tree.
      const element = (board.current.getRootNode() as Document | ShadowRoot).elementFromPoint(x, y);
      const target = board.current.contains(element) ? targetOf(element) : null;
      const hit: IHit = { target, x, y };
      const list = droppableContainers.find(({ node }) => node.current?.contains(element) === true);
      return [{ id: list?.id ?? 'elsewhere', data: hit }];
    },
    [board]
  );
  const autoScroll = useMemo(
    () => ({ canScroll: (element: Element) => board.current?.contains(element) === true }),
    [board]
  );
  return { collisionDetection, autoScroll };
}

export function hitOf(collisions: readonly Collision[] | null): IHit | null {
  return (collisions?.[0]?.data ?? null) as IHit | null;
}

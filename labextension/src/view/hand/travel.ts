// A chip that travels: when a worker confirms a copy, a chip flies to its card, from a worker that had it or from the list.
// It says where the data came from; whoever prefers reduced motion sees it appear. Its ghosts are no part of React's tree:
// they live for half a second, above everything, and nothing depends on them.
import { type RefObject, useLayoutEffect, useRef } from 'react';

import type { IBoardState, IVariable } from '../../store/state';
import { layerOf } from '../common/tree';

/** Milliseconds of a flight. */
const DURATION = 450;
/** Flights at one time: a broadcast to a whole cluster shall not fill the screen. */
const MAX_FLIGHTS = 8;

export function useTravel(state: IBoardState, root: RefObject<HTMLElement>): void {
  const before = useRef(state);
  useLayoutEffect(() => {
    const { variables, version } = before.current;
    before.current = state;
    if (root.current === null || version === null || variables === state.variables) {
      return;
    }
    const cards = cardsOf(root.current);
    let left = MAX_FLIGHTS;
    for (const variable of state.variables.values()) {
      const old = variables.get(variable.name);
      if (left > 0 && old?.held !== variable.held) {
        left -= fly(root.current, cards, old, variable, left);
      }
    }
  }, [state, root]);
}

interface ICard {
  readonly worker: string;
  readonly element: HTMLElement;
}

/** The workers that are in the page, which of a thousand are a few. */
function cardsOf(root: HTMLElement): readonly ICard[] {
  return [...root.querySelectorAll<HTMLElement>('[data-moorage-worker]')].map(element => ({
    worker: element.dataset['moorageWorker'] ?? '',
    element
  }));
}

// Returns how many took off.
function fly(
  root: HTMLElement,
  cards: readonly ICard[],
  before: IVariable | undefined,
  after: IVariable,
  most: number
): number {
  const came = cards.filter(({ worker }) => after.held.has(worker) && before?.held.has(worker) !== true);
  if (came.length === 0 || prefersStillness()) {
    return 0;
  }
  const chipOn = ({ element }: ICard): HTMLElement[] =>
    [...element.querySelectorAll<HTMLElement>('[data-moorage-held]')].filter(
      ({ dataset }) => dataset['moorageHeld'] === after.name
    );
  const arrived = came.slice(0, most).flatMap(chipOn);
  if (arrived.length === 0) {
    return 0;
  }
  const [source] = cards.filter(({ worker }) => before?.held.has(worker)).flatMap(chipOn);
  const from =
    source ??
    [...root.querySelectorAll<HTMLElement>('[data-moorage-variable]')].find(
      ({ dataset }) => dataset['moorageVariable'] === after.name
    );
  if (from === undefined) {
    return 0;
  }
  const start = from.getBoundingClientRect();
  arrived.forEach(chip => flyFrom(start, chip));
  return arrived.length;
}

function flyFrom(start: DOMRect, chip: HTMLElement): void {
  const end = chip.getBoundingClientRect();
  const ghost = chip.cloneNode(true) as HTMLElement;
  for (const attribute of [...ghost.attributes]) {
    if (attribute.name !== 'style') {
      ghost.removeAttribute(attribute.name);
    }
  }
  ghost.className = 'jp-Moorage-chip jp-Moorage-theme jp-mod-flying';
  ghost.setAttribute('aria-hidden', 'true');
  layerOf(chip).append(ghost);
  const flight = ghost.animate(
    [
      { transform: `translate(${start.left}px, ${start.top}px)`, opacity: 0.3 },
      { opacity: 1, offset: 0.3 },
      { transform: `translate(${end.left}px, ${end.top}px)`, opacity: 1 }
    ],
    { duration: DURATION, easing: 'cubic-bezier(.3,.7,.2,1)' }
  );
  const remove = (): void => ghost.remove();
  flight.finished.then(remove, remove);
}

function prefersStillness(): boolean {
  return (
    typeof Element.prototype.animate !== 'function' ||
    typeof window.matchMedia !== 'function' ||
    window.matchMedia('(prefers-reduced-motion: reduce)').matches
  );
}

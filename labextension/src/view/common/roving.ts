// One tab stop for a list: Tab goes to the list, arrow keys go from item to item (elements with `data-roving`, whose value
// tells them apart). An item that is drawn again or goes away does not take the focus with it.
import { type FocusEvent, type KeyboardEvent, type RefObject, useLayoutEffect, useRef } from 'react';

interface IRoving {
  onKeyDown(event: KeyboardEvent<HTMLElement>): void;
  onFocus(event: FocusEvent<HTMLElement>): void;
  onBlur(): void;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowRight: 1,
  ArrowUp: -1,
  ArrowLeft: -1,
  Home: -Infinity,
  End: Infinity
};

function items(list: HTMLElement | null): HTMLElement[] {
  return list === null ? [] : [...list.querySelectorAll<HTMLElement>('[data-roving]')];
}

export function useRoving(list: RefObject<HTMLElement>): IRoving {
  const focused = useRef<{ key: string | undefined; index: number } | null>(null);
  useLayoutEffect(() => {
    const all = items(list.current);
    // React does not report the blur of what it takes away itself: here the user has not gone elsewhere.
    if (focused.current !== null && document.activeElement === document.body) {
      const { key, index } = focused.current;
      const next =
        all.find(({ dataset }) => dataset['roving'] === key) ?? all[Math.min(index, all.length - 1)];
      next?.focus({ preventScroll: true });
    }
    // Items come and go: one of them has to be the tab stop.
    if (!all.some(item => item.tabIndex === 0)) {
      all[0]?.setAttribute('tabindex', '0');
    }
  });
  return {
    onKeyDown: event => {
      const step = STEPS[event.key];
      const all = items(list.current);
      const at = all.indexOf(event.target as HTMLElement);
      if (step === undefined || at < 0 || event.altKey || event.ctrlKey || event.metaKey) {
        return;
      }
      event.preventDefault();
      all[Math.min(all.length - 1, Math.max(0, at + step))]?.focus();
    },
    onFocus: event => {
      const all = items(list.current);
      const index = all.indexOf(event.target);
      if (index >= 0) {
        focused.current = { key: event.target.dataset['roving'], index };
        all.forEach(item => item.setAttribute('tabindex', item === event.target ? '0' : '-1'));
      }
    },
    onBlur: () => {
      focused.current = null;
    }
  };
}

// One tab stop for a list: Tab goes to the list, arrow keys go from item to item (elements with `data-roving`).
import { type FocusEvent, type KeyboardEvent, type RefObject, useEffect } from 'react';

interface IRoving {
  onKeyDown(event: KeyboardEvent<HTMLElement>): void;
  onFocus(event: FocusEvent<HTMLElement>): void;
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
  // Items come and go: one of them has to be the tab stop.
  useEffect(() => {
    const all = items(list.current);
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
      if (all.includes(event.target)) {
        all.forEach(item => item.setAttribute('tabindex', item === event.target ? '0' : '-1'));
      }
    }
  };
}

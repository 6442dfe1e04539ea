// The tree that a board is in: the page's, or a shadow tree of its own, in which marimo shows it. What hangs above all else
// is in the same tree, where its styles are.
import { createContext } from 'react';

/** What contains menus, and what hangs at the pointer. */
export type Layer = HTMLElement | ShadowRoot;

export const LayerContext = createContext<Layer | undefined>(undefined);

/** Where that is for a board; as long as it is not in a page, of the page. */
export function layerOf(element: Element | null): Layer {
  const tree = element?.getRootNode();
  return tree instanceof ShadowRoot ? tree : document.body;
}

/** The element that has the focus, in whichever tree. */
export function focused(): Element | null {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) {
    element = element.shadowRoot.activeElement;
  }
  return element;
}

// The board over a pretended kernel, and what is looked for on it: for tests of the view.
import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import userEvent, { type UserEvent } from '@testing-library/user-event';
import { afterEach, beforeEach, vi } from 'vitest';

import type { PanelState } from '../../labextension/src/protocol';
import type { IConnection } from '../../labextension/src/store/state';
import { Board } from '../../labextension/src/view/board';
import type { IBoardOptions } from '../../labextension/src/view/common/context';
import { english } from '../../labextension/src/view/common/useTranslate';
import { GB } from './examples';
import { PretendKernel } from './pretend';

export let user: UserEvent;
export const insertCell = vi.fn();
export const goToCell = vi.fn();
export const interrupt = vi.fn();

beforeEach(() => {
  user = userEvent.setup();
  Element.prototype.scrollIntoView = () => undefined;
});

afterEach(() => {
  cleanup();
  insertCell.mockReset();
  window.localStorage.clear();
  goToCell.mockReset();
  interrupt.mockReset();
});

export function show(state: PanelState, options: Partial<IBoardOptions> = {}): PretendKernel {
  const kernel = new PretendKernel(state, 1);
  render(
    <Board
      model={kernel.model}
      trans={english}
      options={{ threshold: 0, confirmAbove: 2 * GB, ...options }}
      notebook={{
        insertCell,
        interrupt,
        hasCell: id => id.startsWith('cell'),
        goToCell,
        isAt: () => false,
        dropAt: () => undefined
      }}
    />
  );
  return kernel;
}

export function connection(kernel: PretendKernel, fields: Partial<IConnection>): void {
  const { model } = kernel;
  fireEvent(document.body, new Event('change')); // flush
  model.connectionChanged({ status: 'connected', message: '', concurrent: true, ...fields }, true);
}

export const worker = (name: string): HTMLElement => {
  const found = document.querySelector<HTMLElement>(`[data-moorage-worker="${name}"]`);
  if (found === null) {
    throw new Error(`no worker ${name}`);
  }
  return found;
};
export const heldOn = (name: string): (string | undefined)[] =>
  [...worker(name).querySelectorAll<HTMLElement>('[data-moorage-held]')].map(
    chip => chip.dataset['moorageHeld']
  );
export const row = (name: string): HTMLElement =>
  within(screen.getByRole('region', { name: 'Variables' })).getByRole('button', {
    name: new RegExp(`^${name} `)
  });
export const said = (): string | null | undefined =>
  document.querySelector('[data-moorage-said]')?.textContent;
export const news = (): string | null | undefined =>
  document.querySelector('[data-moorage-news]')?.textContent;
export const magic = (): string | null | undefined =>
  document.querySelector('[data-moorage-magic] code')?.textContent;
export const tile = (kind: string): HTMLElement => {
  const found = document.querySelector<HTMLElement>(`[data-moorage-target="${kind}"]`);
  if (found === null) {
    throw new Error(`no target ${kind}`);
  }
  return found;
};
export const selected = (): (string | undefined)[] =>
  [...document.querySelectorAll<HTMLElement>('.jp-Moorage-variable.jp-mod-selected')].map(
    one => one.dataset['moorageVariable']
  );

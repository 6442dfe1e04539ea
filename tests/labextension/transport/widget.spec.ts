import { cleanup, screen, waitFor } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';

import type { PanelMessage } from '../../../labextension/src/store/state';
import type { IWidgetModel } from '../../../labextension/src/transport/widget';
import { askForTranslation, english, offerTranslation } from '../../../labextension/src/translate';
import widget from '../../../labextension/src/widget';
import { aSnapshot, atWork } from '../examples';

afterEach(cleanup);

class FakeModel implements IWidgetModel {
  readonly sent: { id: number; op: string }[] = [];
  private _listeners: ((content: PanelMessage) => void)[] = [];
  send(content: unknown): void {
    this.sent.push(content as { id: number; op: string });
  }
  on(_: string, callback: (content: PanelMessage) => void): void {
    this._listeners.push(callback);
  }
  off(_: string, callback: (content: PanelMessage) => void): void {
    this._listeners = this._listeners.filter(listener => listener !== callback);
  }
  receive(message: PanelMessage): void {
    this._listeners.forEach(listener => listener(message));
  }
  get isHeard(): boolean {
    return this._listeners.length > 0;
  }
}

it('shows the board in the output of a cell, in every view the same', async () => {
  const model = new FakeModel();
  const { initialize, render } = widget();
  const dispose = initialize({ model });
  const [request] = model.sent;
  expect(request?.op).toBe('snapshot');
  model.receive({ type: 'reply', id: request?.id ?? 0, ok: true, result: { ...aSnapshot(atWork(), 3) } });
  await waitFor(() => expect(model.sent[1]?.op).toBe('watch'));

  const views = [document.createElement('div'), document.createElement('div')];
  document.body.append(...views);
  const unmounts = views.map(el => render({ el }));
  await waitFor(() => expect(document.querySelectorAll('[data-moorage-worker=alice]')).toHaveLength(2));

  model.receive({ type: 'update', version: 4, changed: {}, removed: { workers: ['alice'] } });
  await waitFor(() => expect(document.querySelectorAll('[data-moorage-worker=alice]')).toHaveLength(0));
  expect(screen.getAllByText('bob')).toHaveLength(2);

  unmounts.forEach(unmount => unmount());
  dispose();
  expect(model.isHeard).toBe(false);
});

it('speaks the language of the page, where that offers one', () => {
  offerTranslation({ ...english, __: text => `(${text})` });
  expect(askForTranslation().__('Attach…')).toBe('(Attach…)');
});

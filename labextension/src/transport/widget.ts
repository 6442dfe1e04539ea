// The way to the kernel where there is no JupyterLab: the custom messages of an anywidget model. Each is exactly a
// PanelRequest, PanelReply, PanelSnapshot or PanelUpdate. One model may have several views; they share this.
import type { PanelMessage } from '../store/state';
import type { ITranslate } from '../translate';
import { Requests } from './requests';

/** The part of anywidget's model that is used here. */
export interface IWidgetModel {
  send(content: unknown): void;
  on(event: 'msg:custom', callback: (content: PanelMessage) => void): void;
  off(event: 'msg:custom', callback: (content: PanelMessage) => void): void;
}

export class WidgetChannel extends Requests {
  constructor(
    model: IWidgetModel,
    trans: ITranslate,
    received: (message: Exclude<PanelMessage, { type: 'reply' }>) => void
  ) {
    super(
      request => model.send(request),
      () => ({
        kind: 'WaitTimeoutError',
        message: trans.__('The kernel has not answered.'),
        remedy: trans.__(
          'If a cell is running, it may answer afterwards. If the kernel was restarted, run this cell again.'
        )
      })
    );
    const listen = (message: PanelMessage): void => {
      if (message.type === 'reply') {
        this.settle(message);
      } else {
        received(message);
      }
    };
    model.on('msg:custom', listen);
    this.dispose = () => model.off('msg:custom', listen);
  }

  /** Listen no more. */
  readonly dispose: () => void;
}

// What assistants want done, put to a user who does not see the board of that notebook: as a notification of JupyterLab.
import { Notification } from '@jupyterlab/apputils';

import type { IPlacementModel } from '../store/actions';
import type { ITranslate } from '../translate';

export function askBeside(model: IPlacementModel, isSeen: () => boolean, trans: ITranslate): void {
  const notifications = new Map<string, string>();
  model.subscribe(() => {
    const { proposals } = model.state;
    for (const [id, notification] of notifications) {
      if (!proposals.has(id)) {
        notifications.delete(id);
        Notification.dismiss(notification);
      }
    }
    for (const { id, line, note } of proposals.values()) {
      if (!notifications.has(id) && !isSeen()) {
        const text = [trans.__('An assistant asks for %1', line), note].filter(Boolean).join('. ');
        const actions = [
          { label: trans.__('Do it'), callback: () => model.decide(id, true) },
          { label: trans.__('Refuse'), callback: () => model.decide(id, false) }
        ];
        notifications.set(id, Notification.info(text, { autoClose: false, actions }));
      }
    }
  });
}

// What is said in a JupyterLab that is older than what the panel is made for.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';

import type { ITranslate } from '../translate';
import { OLDEST, isTooOld } from './labVersion';

const UPGRADE = `pip install --upgrade 'jupyterlab>=${OLDEST.join('.')}'`;

/** Say that this JupyterLab is too old, and how it is upgraded, if it is. */
export function warnOfOldLab({ name, version }: JupyterFrontEnd, trans: ITranslate): void {
  if (!isTooOld(name, version)) {
    return;
  }
  Notification.warning(
    trans.__(
      'moorage needs JupyterLab %1 or newer, and this is %2: its panel may not work.',
      OLDEST.join('.'),
      version
    ),
    {
      autoClose: false,
      actions: [{ label: trans.__('Copy %1', UPGRADE), callback: () => Clipboard.copyToSystem(UPGRADE) }]
    }
  );
}

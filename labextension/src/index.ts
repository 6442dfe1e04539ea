// Wires moorage into JupyterLab and Notebook 7: the one place that knows the application. The panel itself is in panel/.
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { anchorIcon } from './panel/icon';
import { MooragePanel } from './panel/panel';

namespace CommandIDs {
  export const openPanel = 'moorage:open-panel';
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'moorage:plugin',
  description: 'Shows and changes where Dask data lives.',
  autoStart: true,
  optional: [ITranslator, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('moorage');
    const panel = new MooragePanel(trans);

    app.shell.add(panel, 'right', { rank: 500, type: 'Moorage' });
    restorer?.add(panel, MooragePanel.id);

    app.commands.addCommand(CommandIDs.openPanel, {
      label: trans.__('Moorage: Open Panel'),
      caption: trans.__('Show where Dask data lives'),
      icon: anchorIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: CommandIDs.openPanel, category: trans.__('Dask') });
  }
};

export default plugin;

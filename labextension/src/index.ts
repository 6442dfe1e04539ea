// Wires moorage into JupyterLab and Notebook 7: the one place that sees every part.
//
// What is imported here is small and needed from the start, because the panel has its place in the window; the board that
// it shows, with all it needs, comes when it is first shown.
/* eslint-disable jupyter/prefer-lazy-imports */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, PALETTE, addCommands } from './commands';
import { askBeside } from './panel/asking';
import { ActiveDocument } from './panel/following';
import { PlacementPanel } from './panel/panel';
import { warnOfOldLab } from './panel/oldLab';
import { PanelSettings } from './panel/settings';
import { StatusItem } from './panel/statusItem';
import { KernelSessions } from './sessions';
import { IPlacements } from './tokens';
import { offerTranslation } from './translate';

const ID = 'moorage:plugin';
const SIDE = 'moorage-panel';
const TAB = 'moorage-tab';
const STATUS = 'moorage:status';

const plugin: JupyterFrontEndPlugin<IPlacements> = {
  id: ID,
  description: 'Shows and changes where Dask data lives.',
  autoStart: true,
  provides: IPlacements,
  requires: [INotebookTracker],
  optional: [
    IConsoleTracker,
    ITranslator,
    ISettingRegistry,
    ICommandPalette,
    ILauncher,
    ILayoutRestorer,
    IStatusBar
  ],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    consoles: IConsoleTracker | null,
    translator: ITranslator | null,
    registry: ISettingRegistry | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    statusBar: IStatusBar | null
  ): IPlacements => {
    const trans = (translator ?? nullTranslator).load('moorage');
    offerTranslation(trans);
    warnOfOldLab(app, trans);
    const placements = new KernelSessions(trans);
    placements.met.connect((_, model) => askBeside(model, () => placements.shows(model), trans));
    const settings = new PanelSettings();
    const document = new ActiveDocument(app.shell, notebooks, consoles);
    const options = { placements, document, settings, trans };

    const followKernel = (): void => placements.use(document.kernel);
    document.changed.connect(followKernel);
    followKernel();

    const panel = new PlacementPanel(SIDE, options);
    app.shell.add(panel, 'right', { rank: 500, type: 'Moorage' });
    restorer?.add(panel, SIDE);
    // Only once the layout is restored, because that puts the panel where it was the last time.
    let side = 'right';
    const moveToSide = (): void => {
      if (settings.values.side !== side) {
        side = settings.values.side;
        app.shell.add(panel, side, { rank: 500, type: 'Moorage' });
      }
    };
    const applySettings = (): void => {
      placements.setThreshold(settings.values.threshold);
      placements.setReadOnly(settings.values.readOnly);
      void app.restored.then(moveToSide);
    };
    settings.changed.connect(applySettings);
    applySettings();
    void registry
      ?.load(ID)
      .then(loaded => settings.follow(loaded))
      .catch((reason: unknown) => console.error('moorage: no settings', reason));

    const tabs = new WidgetTracker<MainAreaWidget<PlacementPanel>>({ namespace: TAB });
    const openTab = (): void => {
      const known = tabs.currentWidget;
      if (known !== null && !known.isDisposed) {
        app.shell.activateById(known.id);
        return;
      }
      const tab = new MainAreaWidget({ content: new PlacementPanel(`${TAB}-content`, options) });
      tab.id = TAB;
      tab.toolbar.hide();
      tab.title.label = trans.__('Moorage');
      tab.title.closable = true;
      app.shell.add(tab, 'main');
      void tabs.add(tab);
    };

    addCommands(app, {
      placements,
      settings: () => settings.values,
      trans,
      openPanel: () => app.shell.activateById(SIDE),
      openTab,
      insertCell: source => document.insertCell(source),
      canInsert: () => document.canInsert
    });
    const status = new StatusItem(placements, trans, () => app.shell.activateById(SIDE));
    statusBar?.registerStatusItem(STATUS, {
      item: status,
      align: 'left',
      rank: 100,
      isActive: () => status.isActive,
      activeStateChanged: status.isActiveChanged
    });
    if (restorer !== null) {
      void restorer.restore(tabs, { command: CommandIDs.openTab, name: () => TAB });
    }
    for (const command of PALETTE) {
      palette?.addItem({ command, category: trans.__('Dask') });
    }
    launcher?.add({ command: CommandIDs.openTab, args: { isLauncher: true }, category: trans.__('Other') });
    return placements;
  }
};

export default plugin;

// The commands: to show the board, and to do from the palette or by other extensions what the board does by hand.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import {
  askComputation,
  askName,
  askNames,
  askNumber,
  askWorker,
  confirm,
  performAsked,
  placeByDialog
} from './dialogs';
import { anchorIcon } from './panel/icon';
import type { IPlacementModel } from './store/actions';
import { gatherMagic, loadMagic } from './store/magic';
import type { IBoardState } from './store/state';
import type { IPlacements } from './tokens';
import type { IBoardOptions } from './view/common/context';
import { type Need, lacking, rangeAround } from './view/cluster/needs';
import { restartWords, stopWords } from './view/common/words';

export namespace CommandIDs {
  export const openPanel = 'moorage:open-panel';
  export const openTab = 'moorage:open-tab';
  export const load = 'moorage:load';
  export const startCluster = 'moorage:start-cluster';
  export const attach = 'moorage:attach';
  export const scaleCluster = 'moorage:scale-cluster';
  export const adapt = 'moorage:adapt';
  export const keepCluster = 'moorage:keep-cluster';
  export const openDashboard = 'moorage:open-dashboard';
  export const leaveCluster = 'moorage:leave-cluster';
  export const stopCluster = 'moorage:stop-cluster';
  export const place = 'moorage:place';
  export const gather = 'moorage:gather';
  export const release = 'moorage:release';
  export const undo = 'moorage:undo';
  export const why = 'moorage:why';
  export const cancel = 'moorage:cancel';
  export const restartWorker = 'moorage:restart-worker';
  export const showLog = 'moorage:show-log';
}

/** Commands for the palette, in its order. */
export const PALETTE: readonly string[] = Object.values(CommandIDs);

export interface ICommandOptions {
  placements: IPlacements;
  /** As the settings are now. */
  settings(): IBoardOptions;
  trans: TranslationBundle;
  openPanel(): void;
  openTab(): void;
  insertCell(source: string): void;
  canInsert(): boolean;
}

export function addCommands(app: JupyterFrontEnd, options: ICommandOptions): void {
  const { placements, trans } = options;
  const noArguments = { args: { type: 'object', properties: {} } } as const;
  const ofVariable = {
    args: { type: 'object', properties: { name: { type: 'string', description: 'of the variable' } } }
  } as const;
  const names = { type: 'array', items: { type: 'string' }, description: 'of the variables' } as const;
  const ofVariables = { args: { type: 'object', properties: { names } } } as const;
  const ofWorker = {
    args: { type: 'object', properties: { worker: { type: 'string', description: 'its name' } } }
  } as const;
  const ofWorkers = {
    args: { type: 'object', properties: { workers: { type: 'integer', description: 'how many' } } }
  } as const;
  const state = (): IBoardState | undefined => placements.current?.state;
  // A kernel to which nothing has connected yet may well have all that is needed: the command finds out.
  const may = (needs: readonly Need[]): boolean => {
    const known = state();
    return (
      known?.connection.status === 'connecting' ||
      (known !== undefined && lacking(trans, known, needs) === null)
    );
  };
  const reach = (
    needs: readonly Need[],
    act: (model: IPlacementModel) => Promise<void> | void
  ): Promise<void> =>
    placements.reach(async model => {
      const problem =
        model === null
          ? trans.__('No notebook or console with a kernel is open.')
          : lacking(trans, model.state, needs);
      if (problem !== null || model === null) {
        Notification.warning(problem ?? '', { autoClose: 8000 });
      } else {
        await act(model);
      }
    });
  const add = (id: string, command: CommandRegistry.ICommandOptions): void => {
    app.commands.addCommand(id, command);
  };

  add(CommandIDs.openPanel, {
    label: trans.__('Moorage: Open Panel'),
    caption: trans.__('Show where Dask data lives'),
    icon: anchorIcon,
    describedBy: noArguments,
    execute: () => options.openPanel()
  });
  add(CommandIDs.openTab, {
    label: args => (args['isLauncher'] === true ? trans.__('Moorage') : trans.__('Moorage: Open in a Tab')),
    caption: trans.__('Show where Dask data lives, with more room'),
    icon: anchorIcon,
    describedBy: { args: { type: 'object', properties: { isLauncher: { type: 'boolean' } } } },
    execute: () => options.openTab()
  });
  add(CommandIDs.load, {
    label: trans.__('Moorage: Insert %1', loadMagic),
    isEnabled: () => options.canInsert(),
    describedBy: noArguments,
    execute: () => options.insertCell(loadMagic)
  });
  add(CommandIDs.startCluster, {
    label: trans.__('Moorage: Start a Cluster…'),
    isEnabled: () => may(['no-cluster', 'free']),
    describedBy: {
      args: {
        type: 'object',
        properties: {
          workers: { type: 'integer', description: 'how many; without it, a form asks' },
          threads: { type: 'integer', description: 'of each worker' },
          memory: { type: 'string', description: 'of each worker, such as 2GB' },
          keep: { type: 'boolean', description: 'let it outlive the kernel' }
        }
      }
    },
    execute: args =>
      reach(['no-cluster', 'free'], model => {
        const { workers, threads, memory, keep } = args;
        if (typeof workers !== 'number') {
          options.openPanel();
          model.open('start');
          return;
        }
        model.start({
          workers,
          ...(typeof threads === 'number' ? { threads } : {}),
          ...(typeof memory === 'string' ? { memory } : {}),
          ...(keep === true ? { keep } : {})
        });
      })
  });
  add(CommandIDs.attach, {
    label: trans.__('Moorage: Attach to a Cluster…'),
    isEnabled: () => may(['no-cluster', 'free']),
    describedBy: {
      args: {
        type: 'object',
        properties: {
          target: { type: 'string', description: 'an address, a scheduler file, a variable, a kept cluster' }
        }
      }
    },
    execute: args =>
      reach(['no-cluster', 'free'], model => {
        const { target } = args;
        if (typeof target === 'string') {
          model.attach(target);
        } else {
          options.openPanel();
          model.open('attach');
        }
      })
  });
  add(CommandIDs.scaleCluster, {
    label: trans.__('Moorage: Scale the Cluster…'),
    isEnabled: () => may(['cluster', 'free']),
    describedBy: ofWorkers,
    execute: args =>
      reach(['cluster', 'free'], async model => {
        const now = model.state.cluster?.requested ?? 2;
        const workers = await askNumber(args, 'workers', now, trans.__('How many workers?'));
        if (workers !== null) {
          model.scale(workers);
        }
      })
  });
  add(CommandIDs.adapt, {
    label: trans.__('Moorage: Adapt the Cluster to Load'),
    isEnabled: () => may(['scalable', 'free']),
    isToggled: () => (state()?.cluster?.adapt.length ?? 0) > 0,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          minimum: { type: 'integer', description: 'of workers' },
          maximum: { type: 'integer', description: 'of workers' }
        }
      }
    },
    execute: args =>
      reach(['scalable', 'free'], model => {
        const { minimum, maximum } = args;
        const range = typeof minimum === 'number' && typeof maximum === 'number' ? [minimum, maximum] : null;
        const { cluster } = model.state;
        if (range !== null) {
          model.adapt(range as [number, number]);
        } else if (cluster !== null) {
          model.adapt(cluster.adapt.length > 0 ? null : rangeAround(cluster));
        }
      })
  });
  add(CommandIDs.keepCluster, {
    label: trans.__('Moorage: Keep the Cluster when the Notebook Ends'),
    isEnabled: () => may(['scalable', 'free']),
    isToggled: () => state()?.cluster?.kept === true,
    describedBy: { args: { type: 'object', properties: { on: { type: 'boolean' } } } },
    execute: ({ on }) =>
      reach(['scalable', 'free'], model =>
        model.keep(typeof on === 'boolean' ? on : model.state.cluster?.kept !== true)
      )
  });
  add(CommandIDs.openDashboard, {
    label: trans.__('Moorage: Open the Dask Dashboard'),
    isEnabled: () => may(['dashboard']),
    describedBy: noArguments,
    execute: () =>
      reach(['dashboard'], ({ state: { cluster } }) => {
        window.open(cluster?.dashboard_link, '_blank', 'noopener');
      })
  });
  add(CommandIDs.leaveCluster, {
    label: trans.__('Moorage: Leave the Cluster'),
    isEnabled: () => may(['leavable', 'free']),
    describedBy: noArguments,
    execute: () => reach(['leavable', 'free'], model => model.leave())
  });
  add(CommandIDs.stopCluster, {
    label: trans.__('Moorage: Stop the Cluster'),
    isEnabled: () => may(['stoppable', 'free']),
    describedBy: noArguments,
    execute: () =>
      reach(['stoppable', 'free'], async model => {
        const text = stopWords(trans, model.state);
        if (text === null || (await confirm(trans, trans.__('Stop the cluster?'), text, trans.__('Stop')))) {
          model.stop();
        }
      })
  });
  add(CommandIDs.place, {
    label: trans.__('Moorage: Place Variables…'),
    isEnabled: () => may(['cluster', 'free']),
    describedBy: {
      args: {
        type: 'object',
        properties: {
          names,
          worker: { type: 'string', description: 'to pin them to' },
          move: { type: 'boolean', description: 'away from where they are' }
        }
      }
    },
    execute: args => reach(['cluster', 'free'], model => placeByDialog(options, model, args))
  });
  add(CommandIDs.gather, {
    label: trans.__('Moorage: Gather Variables into the Notebook…'),
    isEnabled: () => may(['cluster']) && options.canInsert(),
    describedBy: ofVariables,
    execute: args =>
      reach(['cluster'], async ({ state }) => {
        const chosen = await askNames(options, args, [...state.variables.keys()]);
        const magic = chosen === null ? null : gatherMagic(chosen);
        if (magic !== null) {
          options.insertCell(magic);
        }
      })
  });
  add(CommandIDs.release, {
    label: trans.__('Moorage: Release Variables…'),
    isEnabled: () => may(['cluster', 'free']),
    describedBy: ofVariables,
    execute: args =>
      reach(['cluster', 'free'], async model => {
        const { variables } = model.state;
        const chosen = await askNames(options, args, [...variables.keys()]);
        if (chosen?.some(name => !variables.has(name)) === true) {
          // Not known here: the kernel says why not.
          model.perform([{ names: chosen, placement: null }]);
        } else if (chosen !== null) {
          await performAsked(options, model, { names: chosen, from: null, move: false }, { kind: 'release' });
        }
      })
  });
  add(CommandIDs.undo, {
    label: trans.__('Moorage: Undo'),
    isEnabled: () => may(['undoable', 'free']),
    describedBy: noArguments,
    execute: () => reach(['undoable', 'free'], model => model.undo())
  });
  add(CommandIDs.why, {
    label: trans.__('Moorage: Why Is It Like This?…'),
    isEnabled: () => may(['cluster']),
    describedBy: ofVariable,
    execute: args =>
      reach(['cluster'], async model => {
        const { variables, candidates, workers } = model.state;
        const name = await askName(options, args, [
          ...variables.keys(),
          ...candidates.keys(),
          ...workers.keys()
        ]);
        if (name !== null) {
          options.openPanel();
          model.explain({ kind: workers.has(name) && !variables.has(name) ? 'worker' : 'name', name });
        }
      })
  });
  add(CommandIDs.cancel, {
    label: trans.__('Moorage: Cancel What Runs…'),
    isEnabled: () => may(['running', 'free']),
    describedBy: { args: { type: 'object', properties: { label: { type: 'string' } } } },
    execute: args =>
      reach(['running', 'free'], async model => {
        const found = await askComputation(options, args, model.state);
        if (found !== null) {
          model.cancel(found);
        }
      })
  });
  add(CommandIDs.restartWorker, {
    label: trans.__('Moorage: Restart a Worker…'),
    isEnabled: () => may(['cluster', 'free']),
    describedBy: ofWorker,
    execute: args =>
      reach(['cluster', 'free'], async model => {
        const worker = await askWorker(options, args, model.state);
        if (worker === null) {
          return;
        }
        const text = restartWords(trans, model.state, worker);
        if (await confirm(trans, trans.__('Restart a worker?'), text, trans.__('Restart'))) {
          model.restart(worker);
        }
      })
  });
  add(CommandIDs.showLog, {
    label: trans.__('Moorage: Show the Log of a Worker…'),
    isEnabled: () => may(['cluster']),
    describedBy: ofWorker,
    execute: args =>
      reach(['cluster'], async model => {
        const worker = await askWorker(options, args, model.state);
        if (worker !== null) {
          options.openPanel();
          model.explain({ kind: 'log', name: worker });
        }
      })
  });
}

// The commands: to show the board, and to do from the palette or by other extensions what the board does by hand.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { anchorIcon } from './panel/icon';
import type { Target } from './store/gestures';
import { loadMagic } from './store/magic';
import { preview } from './store/preview';
import type { IPlacements } from './tokens';
import { previewWords, targetWords } from './view/words';

export namespace CommandIDs {
  export const openPanel = 'moorage:open-panel';
  export const openTab = 'moorage:open-tab';
  export const load = 'moorage:load';
  export const startCluster = 'moorage:start-cluster';
  export const scaleCluster = 'moorage:scale-cluster';
  export const stopCluster = 'moorage:stop-cluster';
  export const place = 'moorage:place';
  export const release = 'moorage:release';
}

/** Commands for the palette, in its order. */
export const PALETTE: readonly string[] = Object.values(CommandIDs);

export interface ICommandOptions {
  placements: IPlacements;
  trans: TranslationBundle;
  openPanel(): void;
  openTab(): void;
  insertCell(source: string): void;
  canInsert(): boolean;
}

export function addCommands(app: JupyterFrontEnd, options: ICommandOptions): void {
  const { placements, trans } = options;
  const noArguments = { args: { type: 'object', properties: {} } } as const;
  const hasCluster = (): boolean => {
    const cluster = placements.current?.store.getState().cluster;
    return cluster !== undefined && cluster !== null && cluster.status !== 'stopped';
  };
  const isConnected = (): boolean => placements.current?.store.getState().connection.status === 'connected';
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
    isEnabled: () => isConnected() && !hasCluster(),
    describedBy: {
      args: { type: 'object', properties: { workers: { type: 'integer', description: 'how many' } } }
    },
    execute: async args => {
      const workers = await askNumber(args, 'workers', 2, trans.__('How many workers?'));
      if (workers !== null) {
        placements.current?.start(workers);
      }
    }
  });
  add(CommandIDs.scaleCluster, {
    label: trans.__('Moorage: Scale the Cluster…'),
    isEnabled: () => isConnected() && hasCluster(),
    describedBy: {
      args: { type: 'object', properties: { workers: { type: 'integer', description: 'how many' } } }
    },
    execute: async args => {
      const now = placements.current?.store.getState().cluster?.requested ?? 2;
      const workers = await askNumber(args, 'workers', now, trans.__('How many workers?'));
      if (workers !== null) {
        placements.current?.scale(workers);
      }
    }
  });
  add(CommandIDs.stopCluster, {
    label: trans.__('Moorage: Stop the Cluster'),
    isEnabled: () => isConnected() && hasCluster(),
    describedBy: noArguments,
    execute: () => placements.current?.stop()
  });
  add(CommandIDs.place, {
    label: trans.__('Moorage: Place a Variable…'),
    isEnabled: () => isConnected() && hasCluster(),
    describedBy: {
      args: { type: 'object', properties: { name: { type: 'string', description: 'of the variable' } } }
    },
    execute: args => placeByDialog(placements, trans, args, false)
  });
  add(CommandIDs.release, {
    label: trans.__('Moorage: Release a Variable…'),
    isEnabled: () => isConnected() && hasCluster(),
    describedBy: {
      args: { type: 'object', properties: { name: { type: 'string', description: 'of the variable' } } }
    },
    execute: args => placeByDialog(placements, trans, args, true)
  });
}

async function askNumber(
  args: ReadonlyPartialJSONObject,
  key: string,
  value: number,
  title: string
): Promise<number | null> {
  const given = args[key];
  if (typeof given === 'number') {
    return given;
  }
  const { value: chosen } = await InputDialog.getNumber({ title, value });
  return chosen === null || !Number.isInteger(chosen) || chosen < 0 ? null : chosen;
}

async function placeByDialog(
  placements: IPlacements,
  trans: TranslationBundle,
  args: ReadonlyPartialJSONObject,
  isRelease: boolean
): Promise<void> {
  const model = placements.current;
  if (model === null) {
    return;
  }
  const state = model.store.getState();
  const known = [...state.variables.keys(), ...(isRelease ? [] : state.candidates.keys())];
  const given = args['name'];
  const name =
    typeof given === 'string'
      ? given
      : (await InputDialog.getItem({ title: trans.__('Which variable?'), items: known })).value;
  if (name === null) {
    return;
  }
  const carried = { names: [name], from: null, move: false };
  const release: Target = { kind: 'release' };
  const targets: readonly Target[] = isRelease
    ? [release]
    : [
        { kind: 'all-workers' },
        { kind: 'one-per-host' },
        ...[...state.workers.keys()].map(worker => ({ kind: 'worker', worker }) as const)
      ];
  const open = targets.filter(target => preview(state, carried, target).refusal === null);
  const labels = open.map(
    target =>
      `${targetWords(trans, target)}: ${previewWords(trans, state, carried, target, preview(state, carried, target))}`
  );
  const chosen = isRelease
    ? labels[0]
    : (await InputDialog.getItem({ title: trans.__('Where shall %1 stay?', name), items: labels })).value;
  const target = open[labels.indexOf(chosen ?? '')];
  if (target !== undefined) {
    model.perform(preview(state, carried, target).steps);
  }
}

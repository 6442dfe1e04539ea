// What commands ask in dialogs: which variable, which worker, how many, where, and whether it shall really be.
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { ICommandOptions } from './commands';
import type { IPlacementModel } from './store/actions';
import type { ICarried, Target } from './store/gestures';
import { decide, preview } from './store/preview';
import type { IBoardState } from './store/state';
import { agreeWords, previewWords, questionWords, targetWords } from './view/common/words';

export async function confirm(
  trans: TranslationBundle,
  title: string,
  body: string,
  yes: string
): Promise<boolean> {
  const buttons = [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.okButton({ label: yes })];
  return (await showDialog({ title, body, buttons })).button.accept;
}

export async function askNumber(
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

export async function askName(
  { trans }: ICommandOptions,
  args: ReadonlyPartialJSONObject,
  known: string[]
): Promise<string | null> {
  const given = args['name'];
  return typeof given === 'string'
    ? given
    : (await InputDialog.getItem({ title: trans.__('Which variable?'), items: known })).value;
}

/** Variables, several at once; null: none. */
export async function askNames(
  { trans }: ICommandOptions,
  { names }: ReadonlyPartialJSONObject,
  items: string[]
): Promise<readonly string[] | null> {
  if (Array.isArray(names)) {
    return names.map(String);
  }
  const defaults = items.length === 1 ? items : [];
  const { value } = await InputDialog.getMultipleItems({
    title: trans.__('Which variables?'),
    items,
    defaults
  });
  return value === null || value.length === 0 ? null : value;
}

/** The id of something that runs. */
export async function askComputation(
  { trans }: ICommandOptions,
  args: ReadonlyPartialJSONObject,
  { computations }: IBoardState
): Promise<string | null> {
  const all = [...computations.values()];
  const given = args['label'];
  if (typeof given === 'string') {
    return all.find(({ label }) => label === given)?.id ?? null;
  }
  const items = all.map(({ label, execution }) => (execution > 0 ? `[${execution}] ${label}` : label));
  const { value } = await InputDialog.getItem({ title: trans.__('What shall be cancelled?'), items });
  return all[items.indexOf(value ?? '')]?.id ?? null;
}

export async function askWorker(
  { trans }: ICommandOptions,
  args: ReadonlyPartialJSONObject,
  { workers }: IBoardState
): Promise<string | null> {
  const given = args['worker'];
  return typeof given === 'string'
    ? given
    : (await InputDialog.getItem({ title: trans.__('Which worker?'), items: [...workers.keys()] })).value;
}

export async function placeByDialog(
  options: ICommandOptions,
  model: IPlacementModel,
  args: ReadonlyPartialJSONObject
): Promise<void> {
  const state = model.state;
  const names = await askNames(options, args, [...state.variables.keys(), ...state.candidates.keys()]);
  if (names === null) {
    return;
  }
  const { worker, move } = args;
  const carried = { names, from: null, move: move === true };
  const target: Target | null =
    typeof worker === 'string' ? { kind: 'worker', worker } : await askTarget(options, state, carried);
  if (target === null) {
    return;
  }
  await performAsked(options, model, carried, target);
}

// Does it, after a question where there is one.
export async function performAsked(
  options: ICommandOptions,
  model: IPlacementModel,
  carried: ICarried,
  target: Target
): Promise<void> {
  const { trans } = options;
  const result = preview(model.state, carried, target);
  if (decide(result, options.settings().confirmAbove) === 'ask') {
    const text = questionWords(trans, carried, target, result);
    const yes = agreeWords(trans, result);
    if (!(await confirm(trans, trans.__('%1 %2?', yes, carried.names.join(', ')), text, yes))) {
      return;
    }
  }
  // The kernel says why, where it refuses what was not offered.
  model.perform(result.steps);
}

async function askTarget(
  { trans }: ICommandOptions,
  state: IBoardState,
  carried: ICarried
): Promise<Target | null> {
  const all: readonly Target[] = [
    { kind: 'all-workers' },
    ...(state.hosts.length > 1 ? [{ kind: 'one-per-host' } as const] : []),
    { kind: 'spread' },
    ...[...state.workers.keys()].map(worker => ({ kind: 'worker', worker }) as const)
  ];
  const open = all.filter(target => preview(state, carried, target).refusal === null);
  const labels = open.map(
    target =>
      `${targetWords(trans, target)}: ${previewWords(trans, state, carried, target, preview(state, carried, target))}`
  );
  const title = trans.__('Where should %1 stay?', carried.names.join(', '));
  const { value } = await InputDialog.getItem({ title, items: labels });
  return open[labels.indexOf(value ?? '')] ?? null;
}

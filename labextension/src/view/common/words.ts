// Sizes, placements and previews in words. Pure: a translation and values in, text out.
import prettyBytes from 'pretty-bytes';

import type { Counts } from '../../store/counts';
import type { ICarried, Target } from '../../store/gestures';
import { shortName } from '../../store/names';
import { type IPreview, type Refusal, freeBytes } from '../../store/preview';
import type { IBoardState, IVariable } from '../../store/state';
import type { ITranslate } from './useTranslate';

/** Workers that are named one by one; beyond that they are counted. */
const MAX_NAMED = 2;
/** Names in a question. */
const MAX_LISTED = 4;

/** 399507456 -> "381 MiB", in Dask's units. */
export function formatBytes(nbytes: number): string {
  return prettyBytes(nbytes, { binary: true });
}

/** Two sizes in the unit of the second: "1.1 of 2 GiB". */
export function formatBytesOf(trans: ITranslate, part: number, whole: number): string {
  return trans.__('%1 of %2', sizeOf(part, whole), formatBytes(whole));
}

// Without its unit where that is the other's.
function sizeOf(part: number, whole: number): string {
  const [, unit] = formatBytes(whole).split(' ');
  const [amount, partUnit] = formatBytes(part).split(' ');
  return unit === partUnit && amount !== undefined ? amount : formatBytes(part);
}

/** What there is, and what there would be: "0.5 → 0.9 of 2 GiB"; without a whole (0): "0.5 → 0.9 GiB". */
export function changeOf(trans: ITranslate, now: number, then: number, whole: number): string {
  const what = whole > 0 ? formatBytesOf(trans, then, whole) : formatBytes(then);
  return trans.__('%1 → %2', sizeOf(now, then), what);
}

/** "alice, bob" or "5 workers". */
export function workerNames(trans: ITranslate, names: readonly string[]): string {
  return names.length <= MAX_NAMED
    ? names.map(shortName).join(', ')
    : trans._n('%1 worker', '%1 workers', names.length);
}

/** The same of those that are counted. */
export function countedNames(trans: ITranslate, counts: Counts): string {
  return counts.size <= MAX_NAMED
    ? workerNames(trans, [...counts.workers()])
    : trans._n('%1 worker', '%1 workers', counts.size);
}

/** Names of variables: "flights, model" or "5 variables". */
export function variableNames(trans: ITranslate, names: readonly string[]): string {
  const [whole = ''] = names[0]?.split('[') ?? [];
  if (names.length > MAX_NAMED && names.every(name => name.startsWith(`${whole}[`))) {
    return trans.__('parts of %1', whole);
  }
  return names.length <= MAX_NAMED ? names.join(', ') : trans._n('%1 variable', '%1 variables', names.length);
}

/** The name without the notebook that a badge tells: "x" of "x@other.ipynb". */
export function plainName({ name, owner }: IVariable): string {
  return owner !== '' && name.endsWith(`@${owner}`) ? name.slice(0, -owner.length - 1) : name;
}

/** Copies that are there and copies that are wanted. */
export function copies({ held, pending }: IVariable): { there: number; wanted: number } {
  const there = held.size - held.overlap(pending);
  return { there, wanted: there + pending.size };
}

/** A placement, and how far it has come: "everywhere 4/4", "on alice", "spread over 3". */
export function placementWords(trans: ITranslate, variable: IVariable): string {
  const { placement, held } = variable;
  const { there, wanted } = copies(variable);
  switch (placement.kind) {
    case 'everywhere':
      return trans.__('everywhere %1/%2', there, wanted);
    case 'hosts':
      return trans.__('one per host %1/%2', there, wanted);
    case 'workers':
      return placement.each === false
        ? trans.__('spread over %1', workerNames(trans, placement.workers ?? []))
        : trans.__('pinned to %1', workerNames(trans, placement.workers ?? []));
    case 'anywhere':
      if (placement.beside !== undefined && placement.beside !== '') {
        return trans.__('with %1', placement.beside);
      }
      return held.size > 1
        ? trans.__('spread over %1', held.size)
        : held.size === 1
          ? trans.__('on %1', countedNames(trans, held))
          : trans.__('anywhere');
  }
}

/** A copy, and all that there are: "381 MiB a copy, 381 MiB on the cluster, which workers of a host share". */
export function sizeWords(trans: ITranslate, { nbytes, shared }: IVariable, total: number): string {
  const [one, all] = [formatBytes(nbytes), formatBytes(total)];
  return shared > 0
    ? trans.__('%1 a copy, %2 on the cluster: workers of a host share it', one, all)
    : trans.__('%1 a copy, %2 on the cluster', one, all);
}

/** How far a move has come, from 0 to 1, in copies; null when it is none. */
export function progress(moves: IBoardState['moves'], variable: IVariable): number | null {
  const most = moves.get(variable.name);
  return most === undefined ? null : 1 - variable.pending.total / most;
}

/** How far a move has come: in bytes, or in copies where those take no bytes for themselves. */
export function moveWords(trans: ITranslate, moves: IBoardState['moves'], variable: IVariable): string {
  const { nbytes, shared, nkeys, pending } = variable;
  const most = moves.get(variable.name) ?? 0;
  const each = nbytes / Math.max(1, nkeys);
  return shared > 0
    ? trans._n('%2 of %1 copy', '%2 of %1 copies', most, most - pending.total)
    : formatBytesOf(trans, (most - pending.total) * each, most * each);
}

/** The second line of a variable: where it stands. */
export function stateWords(trans: ITranslate, moves: IBoardState['moves'], variable: IVariable): string {
  switch (variable.state) {
    case 'held':
      return placementWords(trans, variable);
    case 'moving': {
      const { there, wanted } = copies(variable);
      if (there === 0 && variable.reason !== '') {
        return variable.reason;
      }
      const part = progress(moves, variable);
      const most = moves.get(variable.name);
      if (variable.nkeys > 1 && most !== undefined && variable.pending.size > 0) {
        const done = `${most - variable.pending.total}/${most}`;
        return trans.__('moving %1 parts, %2', done, moveWords(trans, moves, variable));
      }
      const percent = part === null || part === 0 ? '' : ` · ${Math.floor(part * 100)} %`;
      return variable.pending.size === 0
        ? trans.__('tidying up')
        : trans.__('moving %1/%2', there, wanted) + percent;
    }
    case 'waiting':
      return variable.reason === '' ? trans.__('waiting') : variable.reason;
    case 'lost':
      return variable.reason === '' ? trans.__('lost') : variable.reason;
  }
}

/** What is asked before a large copy, or before something is lost. */
export function questionWords(
  trans: ITranslate,
  { names }: ICarried,
  target: Target,
  { nbytes, loses }: IPreview
): string {
  if (loses.length > 0) {
    return trans.__('Release %1? The notebook has no value of it.', variableNames(trans, loses));
  }
  return trans.__(
    '%1 to %2: copies %3.',
    variableNames(trans, names),
    targetWords(trans, target),
    formatBytes(nbytes)
  );
}

/** What the button says that agrees to it. */
export function agreeWords(trans: ITranslate, { loses }: IPreview): string {
  return loses.length > 0 ? trans.__('Release') : trans.__('Copy');
}

/** What is asked before the cluster is stopped, and who else has it; null: nothing would be lost, and nobody has. */
export function stopWords(trans: ITranslate, { cluster, variables, ledger }: IBoardState): string | null {
  const owners = [...variables.values(), ...ledger.values()].map(({ owner }) => owner);
  const others = [...new Set(owners)].filter(owner => owner !== '');
  const collections = [...ledger.values()].filter(({ kind, owner }) => kind === 'collection' && owner === '');
  const held = [...variables.values()].map(plainName).concat(collections.map(({ name }) => name));
  const parts: string[] = [];
  if (others.length > 0) {
    parts.push(trans.__('Data of %1 is on it, too.', shortList(trans, others)));
  } else if (cluster?.kept === true) {
    parts.push(trans.__('It ends for all notebooks.'));
  }
  if (held.length > 0) {
    parts.push(trans.__('Its workers hold %1.', shortList(trans, held)));
  }
  return parts.length === 0
    ? null
    : [trans.__('Stop %1?', cluster?.kept === true ? cluster.name : trans.__('the cluster')), ...parts].join(
        ' '
      );
}

/** What is asked before a worker's process starts over. */
export function restartWords(trans: ITranslate, { variables }: IBoardState, worker: string): string {
  const lost = [...variables.values()].filter(
    ({ held, only_on_cluster: isOnlyThere }) => isOnlyThere && held.size === 1 && held.has(worker)
  );
  const begin = trans.__('Restart %1? Its tasks start over, and placed data comes back.', shortName(worker));
  return lost.length === 0
    ? begin
    : `${begin} ${trans.__('The notebook has no value of %1, which is there alone.', shortList(trans, lost.map(plainName)))}`;
}

// The first of many by name, and how many more there are.
function shortList(trans: ITranslate, names: readonly string[]): string {
  const rest = names.length - MAX_LISTED;
  const listed = names.slice(0, MAX_LISTED).join(', ');
  return rest > 0 ? trans.__('%1 and %2 more', listed, rest) : listed;
}

/** The target's own name. */
export function targetWords(trans: ITranslate, target: Target): string {
  switch (target.kind) {
    case 'all-workers':
      return trans.__('All workers');
    case 'one-per-host':
      return trans.__('One per host');
    case 'spread':
      return trans.__('Spread');
    case 'release':
      return trans.__('Release');
    case 'worker':
      return shortName(target.worker);
    case 'host':
      return target.host;
  }
}

/** Why a target takes nothing. */
export function refusalWords(trans: ITranslate, carried: ICarried, refusal: Refusal): string {
  switch (refusal.reason) {
    case 'read-only':
      return trans.__('read-only');
    case 'already':
      return carried.names.length === 1 ? trans.__('is there already') : trans.__('are there already');
    case 'not-placed':
      return carried.names.length === 1 ? trans.__('is not placed') : trans.__('are not placed');
    case 'no-parts':
      return trans.__('has no parts to spread');
    case 'no-workers':
      return trans.__('there are no workers yet');
    case 'does-not-fit':
      return trans.__(
        'does not fit: %1 to %2, %3 free',
        formatBytes(refusal.nbytes),
        shortName(refusal.where),
        formatBytes(refusal.free)
      );
  }
}

/** What a drop would do: "copies 381 MiB to bob, 1.2 GiB free". */
export function previewWords(
  trans: ITranslate,
  state: IBoardState,
  carried: ICarried,
  target: Target,
  preview: IPreview
): string {
  if (preview.refusal !== null) {
    return refusalWords(trans, carried, preview.refusal);
  }
  const parts: string[] = [];
  if (preview.incoming.size > 0) {
    parts.push(copyWords(trans, state, target, preview));
  } else if (target.kind !== 'release') {
    parts.push(trans.__('copies nothing'));
  }
  parts.push(...otherWords(trans, preview));
  return parts.length === 0 ? trans.__('nothing to let go') : parts.join(', ');
}

/** What a drop would do beside what a worker's card tells by itself: the numbers stand there. */
export function noteWords(trans: ITranslate, preview: IPreview): readonly string[] {
  const shared = preview.shared.size > 0 ? [trans.__('shared by the workers of its host')] : [];
  return [...shared, ...otherWords(trans, preview)];
}

function otherWords(trans: ITranslate, { drops, loses, paused }: IPreview): readonly string[] {
  const parts: string[] = [];
  if (drops > 0) {
    parts.push(trans._n('lets go of %1 copy', 'lets go of %1 copies', drops));
  }
  if (loses.length > 0) {
    parts.push(trans.__('the notebook has no value of it'));
  }
  if (paused.length > 0) {
    parts.push(trans.__('waits until %1 resumes', workerNames(trans, paused)));
  }
  return parts;
}

function copyWords(trans: ITranslate, state: IBoardState, target: Target, preview: IPreview): string {
  const { incoming, shared, nbytes, isAtMost } = preview;
  if (isAtMost) {
    return trans.__('copies at most %1', formatBytes(nbytes));
  }
  if (nbytes === 0) {
    return trans.__('copies nothing: the host has it');
  }
  if (shared.size > 0) {
    return trans.__('copies %1, which workers of a host share', formatBytes(nbytes));
  }
  const [first] = incoming.keys();
  if (first !== undefined && incoming.size === 1 && target.kind === 'worker') {
    const worker = state.workers.get(first);
    const free = worker === undefined ? Infinity : freeBytes(worker, state.limits.pause);
    return Number.isFinite(free)
      ? trans.__('copies %1, %2 free', formatBytes(nbytes), formatBytes(free))
      : trans.__('copies %1', formatBytes(nbytes));
  }
  const sizes = new Set(incoming.values());
  const [size] = sizes;
  return sizes.size === 1 && incoming.size > 1 && size !== undefined
    ? trans.__('copies %1 × %2', incoming.size, formatBytes(size))
    : trans.__('copies %1', formatBytes(nbytes));
}

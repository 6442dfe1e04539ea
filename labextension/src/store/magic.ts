// The lines that do what a gesture does. Pure text; the same words as moorage/magic.py, which is held to the same
// examples (tests/protocol/magics.json).
import type { PlacementDict } from '../protocol';
import type { IStartOptions } from './actions';

/** Names, those of workers, and of parts: `ddf[3:7]`. */
const SAFE = /^(?:[A-Za-z0-9_/.:@][A-Za-z0-9_/.:@+-]*|[A-Za-z_]\w*\[[0-9:,-]+\])$/;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** The lines that install and load moorage where the kernel runs. */
export const installMagic = '%pip install moorage\n%load_ext moorage';

/** The line that brings a kernel that answers while a cell runs. */
export const upgradeMagic = "%pip install 'ipykernel>=7.4'";

/** A word of a magic's line; null where no line can hold it, as for a name with a line break. */
export function quote(text: string): string | null {
  if (SAFE.test(text)) {
    return text;
  }
  return UNPRINTABLE.test(text) ? null : `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** The line that gives `names` that placement, or releases them (null); null where no line says it. */
export function magicFor(
  names: readonly string[],
  placement: PlacementDict | null,
  force = false
): string | null {
  const variables = quoteAll(names);
  const line = variables === null ? null : placementLine(variables, placement);
  return line !== null && force && placement !== null ? `${line} --force` : line;
}

function placementLine(variables: string, placement: PlacementDict | null): string | null {
  switch (placement?.kind) {
    case undefined:
      return `%release ${variables}`;
    case 'everywhere':
      return `%broadcast ${variables}`;
    case 'hosts':
      return `%broadcast ${variables} --per-host`;
    case 'anywhere': {
      const copies = placement.copies ?? 1;
      return `%scatter ${variables}${copies === 1 ? '' : ` --copies ${copies}`}`;
    }
    case 'workers': {
      const workers = quoteAll(placement.workers ?? []);
      const verb = placement.each === false ? '%scatter' : '%pin';
      const loose = placement.allow_other_workers === true ? ' --allow-other-workers' : '';
      return workers === null ? null : `${verb} ${variables} --workers ${workers}${loose}`;
    }
  }
}

function quoteAll(words: readonly string[]): string | null {
  const quoted = words.map(quote);
  return quoted.includes(null) ? null : quoted.join(' ');
}

export function whyMagic(name: string): string | null {
  const word = quote(name);
  return word === null ? null : `%why ${word}`;
}

export function gatherMagic(names: readonly string[]): string | null {
  const variables = quoteAll(names);
  return variables === null ? null : `%gather ${variables}`;
}

export const loadMagic = '%load_ext moorage';

export function startMagic(asked: IStartOptions): string | null {
  const { workers, threads, memory, keep, using, options = {} } = asked;
  const given = Object.entries(options).map(([name, written]) => {
    const word = quote(written);
    return word === null ? null : `${name}=${word}`;
  });
  const words = [memory ?? '', using ?? ''].map(word => (word === '' ? '' : quote(word)));
  const [limit, kind] = words;
  return words.includes(null) || given.includes(null)
    ? null
    : [
        `%cluster start -n ${workers}`,
        ...(kind === '' ? [] : [`--using ${kind}`]),
        ...(threads === undefined ? [] : [`--threads ${threads}`]),
        ...(limit === '' ? [] : [`--memory ${limit}`]),
        ...(given.length === 0 ? [] : [`--option ${given.join(' ')}`]),
        ...(keep === true ? ['--keep'] : [])
      ].join(' ');
}

export function attachMagic(target: string): string | null {
  const word = quote(target);
  return target === '' ? '%cluster attach' : word === null ? null : `%cluster attach ${word}`;
}

export function scaleMagic(workers: number): string {
  return `%cluster scale ${workers}`;
}

export function adaptMagic(range: readonly [number, number] | null): string {
  return range === null ? '%cluster adapt --off' : `%cluster adapt ${range[0]} ${range[1]}`;
}

/** Python: no magic does it. */
export const undoMagic = '%undo';

export function restartMagic(worker: string): string {
  return `cluster.client.restart_workers([${JSON.stringify(worker)}])`;
}

export function keepMagic(on: boolean): string {
  return on ? '%cluster keep' : '%cluster keep --off';
}

export const leaveMagic = '%cluster leave';

export const stopMagic = '%cluster stop';

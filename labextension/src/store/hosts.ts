// The order of workers: host by host, names as people count (w2 before w10).
import type { PanelWorker } from '../protocol';

export interface IHostGroup {
  readonly host: string;
  /** Names of its workers. */
  readonly workers: readonly string[];
}

const { compare } = new Intl.Collator('en', { numeric: true });

/** Workers grouped by host. */
export function groupByHost(workers: ReadonlyMap<string, PanelWorker>): readonly IHostGroup[] {
  const groups = new Map<string, string[]>();
  for (const [name, { host }] of workers) {
    const group = groups.get(host);
    if (group === undefined) {
      groups.set(host, [name]);
    } else {
      group.push(name);
    }
  }
  return [...groups]
    .map(([host, names]) => ({ host, workers: names.sort(compare) }))
    .sort((one, other) => compare(one.host, other.host));
}

/**
 * Workers grouped by host after some have come, gone or changed host; few of many, which are not all sorted again.
 * `before`, `after`: all workers. `names`: of those that may be elsewhere now.
 */
export function regroup(
  groups: readonly IHostGroup[],
  before: ReadonlyMap<string, PanelWorker>,
  after: ReadonlyMap<string, PanelWorker>,
  names: Iterable<string>
): readonly IHostGroup[] {
  const known = new Map(groups.map(({ host, workers }) => [host, workers]));
  const altered = new Map<string, string[]>();
  const on = (host: string): string[] => {
    const workers = altered.get(host) ?? [...(known.get(host) ?? [])];
    altered.set(host, workers);
    return workers;
  };
  for (const name of new Set(names)) {
    const [from, to] = [before.get(name)?.host, after.get(name)?.host];
    if (from === to) {
      continue;
    }
    if (from !== undefined) {
      const workers = on(from);
      workers.splice(workers.indexOf(name), 1);
    }
    if (to !== undefined) {
      const workers = on(to);
      workers.splice(placeOf(name, workers), 0, name);
    }
  }
  const stayed = groups
    .map(group => ({ host: group.host, workers: altered.get(group.host) ?? group.workers }))
    .filter(({ workers }) => workers.length > 0);
  const fresh = [...altered].filter(([host, workers]) => workers.length > 0 && !known.has(host));
  return fresh.length === 0
    ? stayed
    : [...stayed, ...fresh.map(([host, workers]) => ({ host, workers }))].sort((one, other) =>
        compare(one.host, other.host)
      );
}

// Where a name stands in a sorted list: behind those that compare equal.
function placeOf(name: string, sorted: readonly string[]): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(sorted[middle] ?? '', name) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

const byName = new WeakMap<readonly IHostGroup[], ReadonlyMap<string, readonly string[]>>();

/** Names of the workers on `host`. */
export function workersOn(
  { hosts }: { readonly hosts: readonly IHostGroup[] },
  host: string
): readonly string[] {
  let known = byName.get(hosts);
  if (known === undefined) {
    known = new Map(hosts.map(group => [group.host, group.workers]));
    byName.set(hosts, known);
  }
  return known.get(host) ?? [];
}

/** The workers of `now` as those of `before` stand: none of these moves. One that has gone keeps its place, and those that have
 * come stand behind all others; the hosts of a list that did not show hosts are not shown. */
export function inPlace(before: readonly IHostGroup[], now: readonly IHostGroup[]): readonly IHostGroup[] {
  if (before.length === 0) {
    return now;
  }
  const here = new Map(now.map(({ host, workers }) => [host, workers]));
  const last = before.length - 1;
  const stayed = before.map(({ host, workers }, index) => {
    const known = new Set(workers);
    const came = index < last ? [] : (here.get(host) ?? []).filter(name => !known.has(name));
    return { host, workers: [...workers, ...came] };
  });
  const hosts = new Set(before.map(({ host }) => host));
  return last === 0 ? stayed : [...stayed, ...now.filter(({ host }) => !hosts.has(host))];
}

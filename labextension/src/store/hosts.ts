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

/** The workers of `now`, those of `before` in the order of that, and those that have come since at the end. */
export function inPlace(before: readonly IHostGroup[], now: readonly IHostGroup[]): readonly IHostGroup[] {
  const here = new Map(now.map(({ host, workers }) => [host, workers]));
  const known = before.flatMap(({ host, workers }) => {
    const names = new Set(here.get(host));
    const stayed = workers.filter(name => names.delete(name));
    const all = [...stayed, ...names];
    return all.length === 0 ? [] : [{ host, workers: all }];
  });
  const hosts = new Set(known.map(({ host }) => host));
  return [...known, ...now.filter(({ host }) => !hosts.has(host))];
}

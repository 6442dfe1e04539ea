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

// What the kernel tells of things that are not placed: the notebook's variables, and its collections on the cluster. Pure.
import type { PanelComputation, PanelNamedMemory } from '../protocol';
import type { IBoardState } from './state';

/** What "Out[3]" and "without a name" are not. */
const IDENTIFIER = /^[\p{ID_Start}_]\p{ID_Continue}*$/u;

/** The name that the notebook has for something on the cluster, by which the kernel is asked; null: it has none. */
export function nameInNotebook({ kind, owner, name }: PanelNamedMemory): string | null {
  const [first = ''] = name.split(', ');
  return owner === '' && (kind === 'collection' || kind === 'result') && IDENTIFIER.test(first)
    ? first
    : null;
}

/** Of the ledger, what is not placed: what has just been placed stands in there for a moment longer. */
export function unplaced({
  ledger,
  variables
}: Pick<IBoardState, 'ledger' | 'variables'>): readonly PanelNamedMemory[] {
  return [...ledger.values()].filter(named => {
    const name = nameInNotebook(named);
    const variable = name === null ? undefined : variables.get(name);
    // Of a name that the notebook has given to something else since, there are two things on the cluster.
    return variable === undefined || variable.stale;
  });
}

/** The loop that makes the results of a row. */
export function loopOf(
  { computations }: Pick<IBoardState, 'computations'>,
  { items }: PanelNamedMemory
): PanelComputation | undefined {
  return items === undefined ? undefined : computations.get(items.computation);
}

/** Ids of the loops whose results are a row. */
export function loopsOfRows(state: Pick<IBoardState, 'ledger' | 'variables'>): ReadonlySet<string> {
  return new Set(unplaced(state).flatMap(({ items }) => items?.computation ?? []));
}

/** The notebook's collection of that name, which is on the cluster and not placed. */
export function collectionNamed(state: IBoardState, name: string): PanelNamedMemory | undefined {
  for (const named of state.ledger.values()) {
    if (named.kind === 'collection' && nameInNotebook(named) === name) {
      return named;
    }
  }
  return undefined;
}

/** Bytes of something, placed or not. */
export function bytesOf(state: IBoardState, name: string): number {
  const known = state.variables.get(name) ?? state.candidates.get(name);
  const collection = known === undefined ? collectionNamed(state, name) : undefined;
  return known?.nbytes ?? (collection === undefined ? 0 : collection.nbytes + collection.spilled);
}

/** What `%scatter` spreads element by element. */
const CONTAINERS: ReadonlySet<string> = new Set(['list', 'tuple', 'dict', 'set', 'frozenset', 'range']);

/** Whether it is of parts that can be spread over the workers. */
export function canBeSpread(state: IBoardState, name: string): boolean {
  const variable = state.variables.get(name);
  const candidate = state.candidates.get(name);
  return variable !== undefined
    ? variable.collection && variable.nkeys > 1
    : candidate !== undefined
      ? CONTAINERS.has(candidate.typename)
      : collectionNamed(state, name) !== undefined;
}

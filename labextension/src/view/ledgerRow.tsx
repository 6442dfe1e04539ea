// What fills the workers' memory without being placed: a collection, results, another notebook's data. It cannot be taken up.
import { type ReactElement, memo } from 'react';

import type { PanelNamedMemory } from '../protocol';
import { Name, Owner } from './elements';
import { type ITranslate, useTranslate } from './useTranslate';
import { formatBytes } from './words';

export const LedgerRow = memo(function LedgerRow({ named }: { named: PanelNamedMemory }): ReactElement {
  const trans = useTranslate();
  const { name, owner, nbytes, spilled, kind } = named;
  const words = [kindWords(trans, named), whereWords(trans, named)].join(' · ');
  return (
    <li
      className={`jp-Moorage-named jp-mod-${kind}`}
      data-moorage-named={name}
      data-roving={`named ${kind} ${owner} ${name}`}
      tabIndex={-1}
    >
      <i className="jp-Moorage-pattern" />
      <span className="jp-Moorage-variable-head">
        <Name name={name} />
        <Owner owner={owner} title={trans.__('Kept by %1', owner)} />
      </span>{' '}
      <small className="jp-Moorage-dim jp-Moorage-ellipsis" title={words}>
        {words}
      </small>{' '}
      <span className="jp-Moorage-dim jp-Moorage-size">
        {formatBytes(nbytes)}
        {spilled > 0 ? <small>{` ${trans.__('+ %1 on disk', formatBytes(spilled))}`}</small> : null}
      </span>
    </li>
  );
});

function kindWords(trans: ITranslate, { kind, nkeys }: PanelNamedMemory): string {
  switch (kind) {
    case 'collection':
      return trans._n('collection, %1 part', 'collection, %1 parts', nkeys);
    case 'result':
      return trans._n('%1 result', '%1 results', nkeys);
    case 'dataset':
      return trans._n('dataset, %1 key', 'dataset, %1 keys', nkeys);
    case 'task':
      return trans._n('%1 task', '%1 tasks', nkeys);
    case 'other':
    case 'rest':
      return trans._n('%1 key', '%1 keys', nkeys);
  }
}

function whereWords(trans: ITranslate, { nworkers, most_on }: PanelNamedMemory): string {
  return nworkers <= most_on.length
    ? trans.__('on %1', most_on.join(', '))
    : trans.__('on %1 workers, most on %2', nworkers, most_on[0] ?? '');
}

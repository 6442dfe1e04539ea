// How a board attaches to a cluster: a form with the clusters that are kept and the addresses that were used before, which the
// browser keeps.
import { type FormEvent, type ReactElement, useEffect, useState } from 'react';

import type { PanelKeptCluster } from '../../protocol';
import type { IBoardActions } from '../../store/actions';
import { shortName } from '../../store/names';
import { closeOnEscape } from './escape';
import { useTranslate } from '../common/useTranslate';

const KEY = 'moorage:attached';
/** Addresses that are kept. */
const MAX_USED = 5;

export function AttachForm({ actions }: { actions: IBoardActions }): ReactElement {
  const trans = useTranslate();
  const [target, setTarget] = useState('');
  const [kept, setKept] = useState<readonly PanelKeptCluster[] | null>(null);
  const [used] = useState(usedBefore);
  useEffect(() => {
    let isHere = true;
    const show = (clusters: readonly PanelKeptCluster[]): void => {
      if (isHere) {
        setKept(clusters);
      }
    };
    // Without the list there is still the field.
    actions.kept().then(show, () => show([]));
    return () => {
      isHere = false;
    };
  }, [actions]);
  const attach = (to: string): void => {
    remember(to);
    actions.attach(to);
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    attach(target.trim());
  };
  const others = used.filter(one => kept?.some(({ name }) => name === one) !== true);
  return (
    <form className="jp-Moorage-form" onSubmit={submit} onKeyDown={event => closeOnEscape(event, actions)}>
      {kept === null || kept.length + others.length === 0 ? null : (
        <ul className="jp-Moorage-choices" aria-label={trans.__('Clusters to attach to')}>
          {kept.map(({ name, kind, host, parked }) => (
            <li key={`kept ${name}`}>
              <button type="button" title={name} data-moorage-attach={name} onClick={() => attach(name)}>
                <b>{shortName(name)}</b>
                <small className="jp-Moorage-dim">
                  {parked ? trans.__('parked: %1 on %2', kind, host) : trans.__('kept: %1 on %2', kind, host)}
                </small>
              </button>
            </li>
          ))}
          {others.map(one => (
            <li key={`used ${one}`}>
              <button type="button" title={one} data-moorage-attach={one} onClick={() => attach(one)}>
                <span className="jp-Moorage-ellipsis">{one}</span>
                <small className="jp-Moorage-dim">{trans.__('used before')}</small>
              </button>
            </li>
          ))}
        </ul>
      )}
      <span className="jp-Moorage-attach">
        <input
          autoFocus
          value={target}
          placeholder={trans.__('address, scheduler file or variable')}
          aria-label={trans.__('Cluster to attach to')}
          onChange={event => setTarget(event.target.value)}
        />
        <button type="submit" className="jp-Moorage-primary">
          {trans.__('Attach')}
        </button>
        <small className="jp-Moorage-dim">{trans.__('Leave empty to use the only kept cluster.')}</small>
      </span>
    </form>
  );
}

// Where a page may keep nothing, as in some frames, it is forgotten with the page.
function usedBefore(): readonly string[] {
  try {
    const found: unknown = JSON.parse(window.localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(found) ? found.filter(one => typeof one === 'string').slice(0, MAX_USED) : [];
  } catch {
    return [];
  }
}

// Of a variable or a kept cluster the name means nothing elsewhere: only addresses and files are used again.
function remember(target: string): void {
  if (!/[:/]/.test(target)) {
    return;
  }
  try {
    const next = [target, ...usedBefore().filter(one => one !== target)].slice(0, MAX_USED);
    window.localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // see above
  }
}

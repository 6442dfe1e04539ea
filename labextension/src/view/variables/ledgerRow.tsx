// What fills the workers' memory without being placed: a collection, results, another notebook's data. A collection of this
// notebook can be taken up, and opened into its parts.
import { type ReactElement, memo, useContext } from 'react';

import type { PanelComputation, PanelNamedMemory } from '../../protocol';
import type { IBoardActions } from '../../store/actions';
import { shortName } from '../../store/names';
import { nameInNotebook } from '../../store/unplaced';
import { CarriedContext, isCarried } from '../common/context';
import { Name, Owner } from '../common/elements';
import { type IOpenable, Opener, toggledByKey } from '../common/opener';
import { type ITranslate, useTranslate } from '../common/useTranslate';
import { formatBytes } from '../common/words';
import { Run } from '../running/computations';

interface ILedgerRowProps extends IOpenable {
  named: PanelNamedMemory;
  disabled: boolean;
  /** The user has just asked for a placement, and the kernel has not answered yet. */
  isAsked: boolean;
  /** The loop that makes these results. */
  computation: PanelComputation | undefined;
  actions: IBoardActions;
}

export const LedgerRow = memo(function LedgerRow(props: ILedgerRowProps): ReactElement {
  const { named, disabled, isAsked, computation } = props;
  const trans = useTranslate();
  const carried = useContext(CarriedContext);
  const { name, owner, nbytes, spilled, kind } = named;
  const own = nameInNotebook(named);
  const collection = kind === 'collection' ? own : null;
  const words = isAsked
    ? trans.__('asking…')
    : [...(computation === undefined ? [kindWords(trans, named)] : []), whereWords(trans, named)].join(' · ');
  const isInHand = collection !== null && isCarried(carried, collection, null);
  const openable = props.isOpen === null ? collection : own;
  const asButton =
    openable === null
      ? {}
      : collection === null
        ? { role: 'button', 'aria-expanded': props.isOpen ?? undefined }
        : {
            role: 'button',
            'aria-disabled': disabled,
            'aria-expanded': props.isOpen ?? undefined,
            'aria-roledescription': trans.__('draggable collection')
          };
  return (
    <li
      className={`jp-Moorage-named-row${isInHand ? ' jp-mod-carried' : ''}`}
      data-moorage-named={name}
      data-moorage-explains={own ?? undefined}
      data-moorage-collection={collection ?? undefined}
    >
      <div
        className={`jp-Moorage-named jp-mod-${kind}`}
        data-roving={`named ${kind} ${owner} ${name}`}
        tabIndex={-1}
        {...asButton}
        onKeyDown={event => {
          if (openable !== null) {
            toggledByKey(event, openable, props);
          }
        }}
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
      </div>
      {openable === null ? null : (
        <Opener
          name={openable}
          isOpen={props.isOpen}
          onToggle={props.onToggle}
          isOfItems={collection === null}
        />
      )}
      {computation === undefined ? null : (
        <Run computation={computation} actions={props.actions} disabled={disabled} />
      )}
    </li>
  );
});

function kindWords(trans: ITranslate, { kind, nkeys, items, elements }: PanelNamedMemory): string {
  if (items !== undefined) {
    const { total, done, failed, cancelled } = items;
    return [
      trans.__('%1 of %2 items', done.toLocaleString(), total.toLocaleString()),
      ...(failed > 0 ? [trans.__('%1 failed', failed.toLocaleString())] : []),
      ...(cancelled > 0 ? [trans.__('%1 cancelled', cancelled.toLocaleString())] : [])
    ].join(', ');
  }
  switch (kind) {
    case 'collection':
      return trans._n('collection, %1 part', 'collection, %1 parts', nkeys);
    case 'result':
      return elements !== undefined
        ? trans._n('%1 element', '%1 elements', elements)
        : trans._n('%1 result', '%1 results', nkeys);
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
  return nworkers === 0
    ? trans.__('nothing on the workers')
    : nworkers <= most_on.length
      ? trans.__('on %1', most_on.map(shortName).join(', '))
      : trans.__('on %1 workers, most on %2', nworkers, shortName(most_on[0] ?? ''));
}

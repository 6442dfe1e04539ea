// The targets that are no worker: all workers, one per host, spread, release. They are there while something is in the hand.
import type { ReactElement } from 'react';

import { type ICarried, type Target, targetId } from '../../store/gestures';
import type { IBoardState } from '../../store/state';
import { canBeSpread } from '../../store/unplaced';
import { useHand } from '../common/context';
import { AllWorkersIcon, HostIcon, ReleaseIcon, SpreadIcon } from '../common/icons';
import { useTranslate } from '../common/useTranslate';
import { previewWords, refusalWords, targetWords } from '../common/words';
import { dropClass } from '../workers/workerCard';

/** The targets that are no worker, for variables of these names. */
export function tilesFor(state: IBoardState, names: readonly string[]): readonly Target[] {
  return [
    { kind: 'all-workers' },
    ...(state.hosts.length > 1 ? [{ kind: 'one-per-host' } as const] : []),
    ...(names.some(name => canBeSpread(state, name)) ? [{ kind: 'spread' } as const] : []),
    { kind: 'release' }
  ];
}

export function Tiles({ state, carried }: { state: IBoardState; carried: ICarried }): ReactElement {
  return (
    <div className="jp-Moorage-targets">
      {tilesFor(state, carried.names).map(target => (
        <Tile key={target.kind} state={state} carried={carried} target={target} />
      ))}
    </div>
  );
}

function Tile({
  target,
  state,
  carried
}: {
  target: Target;
  state: IBoardState;
  carried: ICarried;
}): ReactElement {
  const trans = useTranslate();
  const hand = useHand();
  const isOver = hand.over !== null && targetId(hand.over) === targetId(target);
  const preview = hand.previewAt(target);
  const said =
    preview === null
      ? ''
      : isOver
        ? previewWords(trans, state, carried, target, preview)
        : preview.refusal === null
          ? ''
          : preview.refusal.reason === 'does-not-fit'
            ? trans.__('does not fit')
            : refusalWords(trans, carried, preview.refusal);
  return (
    <div
      className={`jp-Moorage-target${dropClass(preview, isOver)}`}
      data-moorage-target={target.kind}
      title={said}
    >
      <span className="jp-Moorage-target-name">
        {target.kind === 'all-workers' ? (
          <AllWorkersIcon />
        ) : target.kind === 'one-per-host' ? (
          <HostIcon />
        ) : target.kind === 'spread' ? (
          <SpreadIcon />
        ) : (
          <ReleaseIcon />
        )}
        <span>{targetWords(trans, target)}</span>
      </span>
      <small>{said}</small>
    </div>
  );
}

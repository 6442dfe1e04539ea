// The targets that are no worker: all workers, one per host, release. With variables selected they are buttons, too.
import type { ReactElement } from 'react';

import { type Target, targetId } from '../store/gestures';
import type { IBoardState } from '../store/state';
import { useHand } from './context';
import { AllWorkersIcon, HostIcon, ReleaseIcon } from './icons';
import { useTranslate } from './useTranslate';
import { previewWords, targetWords } from './words';
import { dropClass } from './workerCard';

export const TILES: readonly Target[] = [
  { kind: 'all-workers' },
  { kind: 'one-per-host' },
  { kind: 'release' }
];

export interface ITilesProps {
  state: IBoardState;
  /** Whether there is something to place by pressing a target. */
  canPress: boolean;
  onPress(target: Target): void;
}

export function Tiles(props: ITilesProps): ReactElement {
  return (
    <div className="jp-Moorage-targets">
      {TILES.map(target => (
        <Tile key={target.kind} {...props} target={target} />
      ))}
    </div>
  );
}

function Tile({ target, state, canPress, onPress }: ITilesProps & { target: Target }): ReactElement {
  const trans = useTranslate();
  const hand = useHand();
  const isOver = hand.over !== null && targetId(hand.over) === targetId(target);
  const preview = hand.previewAt(target);
  const hint = {
    'all-workers': trans.__('a copy on each'),
    'one-per-host': trans.__('shared there'),
    release: trans.__('let go of it')
  }[target.kind as 'all-workers' | 'one-per-host' | 'release'];
  const said =
    hand.carried === null || preview === null
      ? hint
      : previewWords(trans, state, hand.carried, target, preview);
  return (
    <button
      type="button"
      className={`jp-Moorage-target${dropClass(preview, isOver)}`}
      data-moorage-target={target.kind}
      aria-disabled={!canPress}
      onClick={() => onPress(target)}
    >
      <span className="jp-Moorage-target-name">
        {target.kind === 'all-workers' ? (
          <AllWorkersIcon />
        ) : target.kind === 'one-per-host' ? (
          <HostIcon />
        ) : (
          <ReleaseIcon />
        )}
        <span>{targetWords(trans, target)}</span>
      </span>
      <small title={said}>{said}</small>
    </button>
  );
}

// The targets that are no worker: all workers, one per host, release. With variables selected they are buttons, too.
import type { ReactElement } from 'react';

import { type Target, targetId } from '../store/gestures';
import type { IBoardState } from '../store/state';
import { canBeSpread } from '../store/unplaced';
import { useHand } from './context';
import { AllWorkersIcon, HostIcon, ReleaseIcon, SpreadIcon } from './icons';
import { useTranslate } from './useTranslate';
import { previewWords, targetWords } from './words';
import { dropClass } from './workerCard';

/** The targets that are no worker, for variables of these names. */
export function tilesFor(state: IBoardState, names: readonly string[]): readonly Target[] {
  return [
    { kind: 'all-workers' },
    { kind: 'one-per-host' },
    ...(names.some(name => canBeSpread(state, name)) ? [{ kind: 'spread' } as const] : []),
    { kind: 'release' }
  ];
}

export interface ITilesProps {
  state: IBoardState;
  /** What is placed by pressing a target. */
  selection: ReadonlySet<string>;
  /** Whether that can be done. */
  canPress: boolean;
  onPress(target: Target): void;
}

export function Tiles(props: ITilesProps): ReactElement {
  const { carried } = useHand();
  const tiles = tilesFor(props.state, carried?.names ?? [...props.selection]);
  return (
    <div
      className="jp-Moorage-targets"
      style={{ gridTemplateColumns: `repeat(${tiles.length}, minmax(0, 1fr))` }}
    >
      {tiles.map(target => (
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
    spread: trans.__('its parts, evenly'),
    release: trans.__('let go of it')
  }[target.kind as 'all-workers' | 'one-per-host' | 'spread' | 'release'];
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
        ) : target.kind === 'spread' ? (
          <SpreadIcon />
        ) : (
          <ReleaseIcon />
        )}
        <span>{targetWords(trans, target)}</span>
      </span>
      <small title={said}>{said}</small>
    </button>
  );
}

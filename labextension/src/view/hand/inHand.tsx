// What hangs at the pointer: what is carried and how large it is, and what the target does not say itself. Over a target it
// hangs beside that; and a line for what is held without a pointer.
import type { Modifier } from '@dnd-kit/core';
import type { ReactElement } from 'react';

import type { ICarried } from '../../store/gestures';
import type { IPreview } from '../../store/preview';
import type { IBoardState } from '../../store/state';
import { bytesOf } from '../../store/unplaced';
import { colorStyle } from '../common/colorStyle';
import type { IBox } from './hits';
import { type ITranslate, useTranslate } from '../common/useTranslate';
import { formatBytes, noteWords, refusalWords, variableNames } from '../common/words';

interface IInHandProps {
  state: IBoardState;
  carried: ICarried;
  /** What a drop would do; null: it is over no target. */
  result: IPreview | null;
  /** It is over the notebook, which takes variables. */
  isOutside: boolean;
}

export function InHand({ state, carried, result, isOutside }: IInHandProps): ReactElement {
  const trans = useTranslate();
  const [first = ''] = carried.names;
  const words =
    result !== null
      ? labelWords(trans, carried, result)
      : isOutside
        ? trans.__('insert a cell that gathers it')
        : '';
  return (
    <div className="jp-Moorage-inhand" style={colorStyle(state.colors.get(first))}>
      <div>
        <i className={`jp-Moorage-swatch${state.colors.has(first) ? '' : ' jp-mod-unplaced'}`} />
        <span className="jp-Moorage-variable-name">{variableNames(trans, carried.names)}</span>
        <span className="jp-Moorage-dim">{formatBytes(carriedBytes(state, carried))}</span>
      </div>
      {words === '' ? null : (
        <small className={result?.refusal ? 'jp-Moorage-refusal' : 'jp-Moorage-dim'}>{words}</small>
      )}
    </div>
  );
}

/** Says what is held by keyboard or after a long press, and puts it back. */
export function HeldLine({
  state,
  carried,
  onPutBack
}: {
  state: IBoardState;
  carried: ICarried;
  onPutBack(): void;
}): ReactElement {
  const trans = useTranslate();
  const [first = ''] = carried.names;
  return (
    <p className="jp-Moorage-held" style={colorStyle(state.colors.get(first))} data-moorage-in-hand="">
      <i className={`jp-Moorage-swatch${state.colors.has(first) ? '' : ' jp-mod-unplaced'}`} />
      <span className="jp-Moorage-variable-name">{variableNames(trans, carried.names)}</span>
      <span className="jp-Moorage-dim">{formatBytes(carriedBytes(state, carried))}</span>
      <span className="jp-Moorage-space" />
      <button type="button" className="jp-Moorage-link" tabIndex={-1} onClick={onPutBack}>
        {trans.__('Put back')}
      </button>
    </p>
  );
}

function carriedBytes(state: IBoardState, { names, parts }: ICarried): number {
  return names.reduce((total, name) => total + (parts?.get(name)?.nbytes ?? bytesOf(state, name)), 0);
}

function labelWords(trans: ITranslate, carried: ICarried, result: IPreview): string {
  if (result.refusal !== null) {
    return refusalWords(trans, carried, result.refusal);
  }
  return [...(carried.move ? [trans.__('move')] : []), ...noteWords(trans, result)].join(', ');
}

/** Pixels from the pointer, or the target, to what hangs there. */
const OFFSET = 12;

/**
 * Hangs it at the pointer and within the window; over a target beside that, so that it does not cover what it speaks of.
 *
 * A row is as wide as the panel, and the panel stands at the edge of the window: neither says where the pointer is.
 */
export function besidePointer(target: () => IBox | null): Modifier {
  return ({ activatorEvent, activeNodeRect, overlayNodeRect, transform }) => {
    const start = startOf(activatorEvent);
    if (start === undefined || activeNodeRect === null) {
      return transform;
    }
    const { left, top } = activeNodeRect;
    const size = { width: overlayNodeRect?.width ?? 0, height: overlayNodeRect?.height ?? 0 };
    const pointer = { x: start.clientX + transform.x, y: start.clientY + transform.y };
    const window_ = { width: window.innerWidth, height: window.innerHeight };
    const { x, y } = placeBeside(pointer, size, target(), window_);
    return { ...transform, x: x - left, y: y - top };
  };
}

interface IPoint {
  readonly x: number;
  readonly y: number;
}

interface ISize {
  readonly width: number;
  readonly height: number;
}

/** Where the upper left corner of something hangs. */
export function placeBeside(pointer: IPoint, size: ISize, target: IBox | null, within: ISize): IPoint {
  const low = Math.max(0, within.height - size.height);
  if (target !== null) {
    const y = Math.min(low, Math.max(0, pointer.y - size.height / 2));
    const before = target.left - OFFSET - size.width;
    const after = target.right + OFFSET;
    if (before >= 0) {
      return { x: before, y };
    }
    if (after + size.width <= within.width) {
      return { x: after, y };
    }
  }
  const right = within.width - size.width - OFFSET;
  const x = Math.max(0, Math.min(pointer.x + OFFSET, right));
  // Above a finger, which covers what is below it, and above a target as wide as the window.
  const above = (target?.top ?? pointer.y) - OFFSET - size.height;
  const below = target === null ? pointer.y + OFFSET : target.bottom + OFFSET;
  return { x, y: below <= low ? below : Math.max(0, above) };
}

function startOf(event: Event | null): { clientX: number; clientY: number } | undefined {
  return event instanceof MouseEvent
    ? event
    : typeof TouchEvent !== 'undefined' && event instanceof TouchEvent
      ? event.touches[0]
      : undefined;
}

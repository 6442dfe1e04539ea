// A worker's memory: each placed variable in its colour, what would come as stripes, other data, the rest of the process,
// what lies on disk, and a mark up to which variables can be placed, where the worker pauses.
import { type CSSProperties, type ReactElement, memo } from 'react';

import type { PanelWorker } from '../protocol';
import type { IHolding, IMemory } from '../store/holdings';
import { colorStyle } from './colorStyle';
import { type ITranslate, useTranslate } from './useTranslate';
import { formatBytes } from './words';

/** The part of the bar below which a variable is not drawn by itself: about a pixel. */
const MIN_PART = 0.005;

interface IMemoryBarProps {
  worker: PanelWorker;
  memory: IMemory;
  holdings: readonly IHolding[];
  colors: ReadonlyMap<string, number>;
  /** What of the limit can be filled. */
  pause: number;
  /** Bytes that the bar is long when there is no limit. */
  scale: number;
  /** Bytes that would come, and the colour of the variable if it has one. */
  incoming: number;
  incomingColor: number | undefined;
}

export const MemoryBar = memo(function MemoryBar(props: IMemoryBarProps): ReactElement {
  const { worker, memory, holdings, colors, pause, scale, incoming, incomingColor } = props;
  const trans = useTranslate();
  const sum = memory.used + memory.spilled + incoming;
  const length = Math.max(worker.memory_limit || scale, sum, 1);
  const parts = holdings.map(({ variable: { name } }, index) => ({
    name,
    nbytes: memory.placed[index] ?? 0
  }));
  const visible = parts.filter(({ nbytes }) => nbytes / length >= MIN_PART);
  const small = parts.reduce((total, { nbytes }) => total + (nbytes / length < MIN_PART ? nbytes : 0), 0);
  const width = (nbytes: number): CSSProperties => ({ width: `${(100 * nbytes) / length}%` });
  return (
    <div className="jp-Moorage-memory" title={memoryWords(trans, worker, memory)} aria-hidden="true">
      {visible.map(({ name, nbytes }) => (
        <span key={name} style={{ ...colorStyle(colors.get(name)), ...width(nbytes) }} />
      ))}
      {small > 0 ? <span className="jp-mod-small" style={width(small)} /> : null}
      {incoming > 0 ? (
        <span className="jp-mod-incoming" style={{ ...colorStyle(incomingColor), ...width(incoming) }} />
      ) : null}
      <span className="jp-mod-other" style={width(memory.other)} />
      <span className="jp-mod-unmanaged" style={width(memory.unmanaged)} />
      <span className="jp-mod-spilled" style={width(memory.spilled)} />
      {worker.memory_limit > 0 ? (
        <i style={{ left: `${(100 * pause * worker.memory_limit) / length}%` }} />
      ) : null}
    </div>
  );
});

/** The same in words. */
export function memoryWords(trans: ITranslate, worker: PanelWorker, memory: IMemory): string {
  const placed = memory.placed.reduce((one, other) => one + other, 0);
  return [
    trans.__('placed %1', formatBytes(placed)),
    ...(memory.shared > 0 ? [trans.__('shared with its host %1', formatBytes(memory.shared))] : []),
    trans.__('other data %1', formatBytes(memory.other)),
    trans.__('rest of the process %1', formatBytes(memory.unmanaged)),
    ...(memory.spilled > 0 ? [trans.__('on disk %1', formatBytes(memory.spilled))] : []),
    worker.memory_limit > 0 ? trans.__('limit %1', formatBytes(worker.memory_limit)) : trans.__('no limit')
  ].join(', ');
}

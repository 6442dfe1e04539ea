// A worker's memory: each placed variable in its colour, what would come as stripes, collections, results, other data, the
// rest of the process, what lies on disk, and a mark up to which variables can be placed, where the worker pauses; below it,
// what its host shares, which counts for no worker's limit. And what the patterns of all bars mean.
import { type CSSProperties, type ReactElement, memo } from 'react';

import type { PanelWorker } from '../../protocol';
import { type IHolding, type IMemory, PARTS, type Part } from '../../store/holdings';
import { colorStyle } from '../common/colorStyle';
import { type ITranslate, useTranslate } from '../common/useTranslate';
import { formatBytes } from '../common/words';

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
  const words = memoryWords(trans, worker, memory);
  const width = (nbytes: number): CSSProperties => ({ width: `${(100 * nbytes) / length}%` });
  const shared = holdings.filter(holding => holding.shared > 0);
  return (
    <>
      <div className="jp-Moorage-memory" role="img" aria-label={words} title={words}>
        {visible.map(({ name, nbytes }) => (
          <span key={name} style={{ ...colorStyle(colors.get(name)), ...width(nbytes) }} />
        ))}
        {small > 0 ? <span className="jp-mod-small" style={width(small)} /> : null}
        {incoming > 0 ? (
          <span className="jp-mod-incoming" style={{ ...colorStyle(incomingColor), ...width(incoming) }} />
        ) : null}
        {PARTS.map(part =>
          memory[part] > 0 ? (
            <span key={part} className={`jp-mod-${part}`} style={width(memory[part])} />
          ) : null
        )}
        {worker.memory_limit > 0 ? (
          <i style={{ left: `${(100 * pause * worker.memory_limit) / length}%` }} />
        ) : null}
      </div>
      {shared.length === 0 ? null : (
        <div className="jp-Moorage-shared" aria-hidden="true">
          {shared.map(({ variable: { name }, shared: nbytes }) => (
            <span key={name} style={{ ...colorStyle(colors.get(name)), ...width(nbytes) }} />
          ))}
        </div>
      )}
    </>
  );
});

/** The same in words. */
export function memoryWords(trans: ITranslate, worker: PanelWorker, memory: IMemory): string {
  const placed = memory.placed.reduce((one, other) => one + other, 0);
  return [
    trans.__('placed %1', formatBytes(placed)),
    ...(memory.shared > 0 ? [trans.__('shared with its host %1', formatBytes(memory.shared))] : []),
    ...(memory.collections > 0 ? [trans.__('collections %1', formatBytes(memory.collections))] : []),
    ...(memory.results > 0 ? [trans.__('results %1', formatBytes(memory.results))] : []),
    trans.__('other data %1', formatBytes(memory.other)),
    trans.__('rest of the process %1', formatBytes(memory.unmanaged)),
    ...(memory.spilled > 0 ? [trans.__('on disk %1', formatBytes(memory.spilled))] : []),
    worker.memory_limit > 0 ? trans.__('limit %1', formatBytes(worker.memory_limit)) : trans.__('no limit')
  ].join(', ');
}

/** What the patterns of the bars mean. */
export const Legend = memo(function Legend({
  hasPlaced,
  hasShared,
  hasLimit,
  parts
}: {
  hasPlaced: boolean;
  hasShared: boolean;
  /** Some worker has a limit, and so the mark where it pauses. */
  hasLimit: boolean;
  parts: readonly Part[];
}): ReactElement {
  const trans = useTranslate();
  return (
    <ul className="jp-Moorage-legend" aria-label={trans.__('Legend of the memory bars')}>
      {hasPlaced ? (
        <li title={trans.__('Each placed variable has a color of its own.')}>
          <i className="jp-mod-small" />
          {trans.__('placed')}
        </li>
      ) : null}
      {hasShared ? (
        <li title={trans.__('In memory that the workers of a host share: it counts for the limit of none.')}>
          <i className="jp-mod-small jp-mod-shared" />
          {trans.__('shared')}
        </li>
      ) : null}
      {parts.map(part => {
        const [name, meaning] = partWords(trans, part);
        return (
          <li key={part} title={meaning}>
            <i className={`jp-mod-${part}`} />
            {name}
          </li>
        );
      })}
      {hasLimit ? (
        <li
          title={trans.__(
            'What is placed goes up to this mark: beyond it a worker takes neither data nor tasks.'
          )}
        >
          <i className="jp-mod-mark" />
          {trans.__('pauses')}
        </li>
      ) : null}
    </ul>
  );
});

function partWords(trans: ITranslate, part: Part): readonly [string, string] {
  return {
    collections: [trans.__('collections'), trans.__('Persisted collections and published datasets')] as const,
    results: [trans.__('results'), trans.__('Futures and results of this notebook')] as const,
    other: [trans.__('other'), trans.__('Of other notebooks, and what tasks wait for')] as const,
    unmanaged: [
      trans.__('process'),
      trans.__('The rest of the process: Python, modules, running tasks')
    ] as const,
    spilled: [trans.__('on disk'), trans.__('Spilled for want of memory')] as const
  }[part];
}

// A worker: its memory, and a chip for each variable that it holds. A place to drop variables.
import { type ReactElement, memo, useMemo } from 'react';

import type { PanelTasks, PanelWorker } from '../../protocol';
import { type Target, targetId } from '../../store/gestures';
import { type IHolding, foremost, memory, sameHoldings } from '../../store/holdings';
import { shortName } from '../../store/names';
import type { IPreview } from '../../store/preview';
import { Chip } from './chip';
import { colorStyle } from '../common/colorStyle';
import { useHand } from '../common/context';
import { MemoryBar } from './memory';
import { openContextMenu } from '../menus/menu';
import { type ITranslate, useTranslate } from '../common/useTranslate';
import {
  changeOf,
  formatBytes,
  formatBytesOf,
  plainName,
  refusalWords,
  variableNames
} from '../common/words';
import { WorkerTasks } from './workerTasks';

export interface IWorkerProps {
  worker: PanelWorker;
  /** What it runs; undefined: nothing. */
  tasks: PanelTasks | undefined;
  holdings: readonly IHolding[];
  colors: ReadonlyMap<string, number>;
  /** What of its memory limit can be filled. */
  pause: number;
  /** Bytes that a memory bar without limit is long. */
  scale: number;
  disabled: boolean;
  /** Chips that are shown at most; beyond that they are counted. */
  most: number;
  /** Whether all of them are shown none the less. */
  isOpen: boolean;
  onToggle(worker: string): void;
}

export const WorkerCard = memo(
  function WorkerCard(props: IWorkerProps): ReactElement {
    const { worker, holdings, colors, scale } = props;
    const trans = useTranslate();
    const hand = useHand();
    const target: Target = { kind: 'worker', worker: worker.name };
    const isOver = hand.over !== null && targetId(hand.over) === targetId(target);
    const preview = hand.previewAt(target);
    // A drop elsewhere, on all workers say, shows on each card what would come to it.
    const there = hand.over === null ? null : isOver ? preview : hand.previewAt(hand.over);
    const coming = there?.incoming.get(worker.name) ?? 0;
    const taken = there?.own.get(worker.name) ?? 0;
    const memoryNow = useMemo(() => memory(worker, holdings), [worker, holdings]);
    const [firstName] = hand.carried?.names ?? [];
    return (
      <article
        className={`jp-Moorage-worker${dropClass(preview, isOver, coming > 0)}`}
        data-moorage-worker={worker.name}
        aria-label={workerWords(trans, worker)}
      >
        <header>
          <button
            type="button"
            className="jp-Moorage-worker-name"
            title={worker.name}
            data-roving={`worker ${worker.name}`}
            tabIndex={-1}
            aria-haspopup="menu"
            aria-label={trans.__('Actions for %1', shortName(worker.name))}
            onClick={openContextMenu}
          >
            {shortName(worker.name)}
          </button>
          {hand.carried !== null && isOver && preview?.refusal ? (
            <span className="jp-Moorage-refusal jp-Moorage-ellipsis">
              {preview.refusal.reason === 'does-not-fit'
                ? trans.__('does not fit')
                : refusalWords(trans, hand.carried, preview.refusal)}
            </span>
          ) : worker.status === 'running' ? (
            <span className="jp-Moorage-dim jp-Moorage-threads">
              {trans._n('%1 thread', '%1 threads', worker.nthreads)}
            </span>
          ) : (
            <span className="jp-Moorage-badge jp-mod-warning" title={statusTitle(trans, worker)}>
              {statusWords(trans, worker)}
            </span>
          )}
          <span className="jp-Moorage-space" />
          <span className="jp-Moorage-dim jp-Moorage-amount">
            {amountWords(trans, worker, memoryNow.used, taken)}
          </span>
        </header>
        <MemoryBar
          worker={worker}
          memory={memoryNow}
          holdings={holdings}
          colors={colors}
          pause={props.pause}
          scale={scale}
          incoming={taken}
          incomingColor={coming > 0 && firstName !== undefined ? colors.get(firstName) : undefined}
        />
        {props.tasks === undefined ? null : <WorkerTasks tasks={props.tasks} />}
        <Chips
          {...props}
          carried={hand.carried?.from === worker.name ? hand.carried.names : NONE}
          coming={coming > 0 && !there?.refusal ? (hand.carried?.names ?? NONE) : NONE}
        />
      </article>
    );
  },
  (before, after) =>
    before.worker === after.worker &&
    before.tasks === after.tasks &&
    before.colors === after.colors &&
    before.pause === after.pause &&
    before.scale === after.scale &&
    before.disabled === after.disabled &&
    before.most === after.most &&
    before.isOpen === after.isOpen &&
    before.onToggle === after.onToggle &&
    sameHoldings(before.holdings, after.holdings, after.most)
);

const NONE: readonly string[] = [];

interface IChipsProps extends IWorkerProps {
  /** What is in the hand of it, and what would come from there. */
  carried: readonly string[];
  coming: readonly string[];
}

// Looks at little that changes while something is carried over it.
const Chips = memo(function Chips(props: IChipsProps): ReactElement {
  const { worker, holdings, colors, disabled, most, isOpen, onToggle, carried, coming } = props;
  const [firstComing = ''] = coming;
  const trans = useTranslate();
  const first = foremost(holdings, most);
  const rest = holdings.length - first.length;
  const shown = isOpen ? holdings : first;
  return (
    <div className="jp-Moorage-chips">
      {shown.map(({ variable, held, pending }) => (
        <Chip
          key={variable.name}
          name={variable.name}
          label={plainName(variable)}
          worker={worker.name}
          held={held}
          pending={pending}
          nkeys={variable.nkeys}
          color={colors.get(variable.name)}
          isCarried={carried.includes(variable.name)}
          disabled={disabled}
        />
      ))}
      {rest > 0 ? (
        <button
          type="button"
          className="jp-Moorage-link jp-Moorage-rest"
          aria-expanded={isOpen}
          onClick={() => onToggle(worker.name)}
        >
          {isOpen ? trans.__('show fewer') : trans.__('+ %1 more', rest)}
        </button>
      ) : null}
      {coming.length > 0 ? (
        <span
          className="jp-Moorage-chip jp-Moorage-ghost jp-mod-pending"
          style={colorStyle(colors.get(firstComing))}
        >
          <span>{variableNames(trans, coming)}</span>
        </span>
      ) : holdings.length === 0 ? (
        <small className="jp-Moorage-dim">{trans.__('holds nothing yet')}</small>
      ) : null}
    </div>
  );
});

/** Classes of a place to drop, by what a drop there would do. */
export function dropClass(preview: IPreview | null, isOver: boolean, isComing = false): string {
  if (preview === null) {
    return '';
  }
  const kind = preview.refusal === null ? ' jp-mod-target' : ' jp-mod-refused';
  return kind + (isOver ? ' jp-mod-over' : '') + (isComing ? ' jp-mod-coming' : '');
}

function amountWords(trans: ITranslate, worker: PanelWorker, used: number, coming: number): string {
  if (coming > 0) {
    return changeOf(trans, used, used + coming, worker.memory_limit);
  }
  return worker.memory_limit > 0 ? formatBytesOf(trans, used, worker.memory_limit) : formatBytes(used);
}

function statusWords(trans: ITranslate, { status }: PanelWorker): string {
  return {
    init: trans.__('starting'),
    running: trans.__('running'),
    paused: trans.__('paused'),
    closing: trans.__('closing')
  }[status];
}

function statusTitle(trans: ITranslate, { status }: PanelWorker): string {
  return status === 'paused'
    ? trans.__('Its memory is nearly full: it accepts no data or tasks until some is freed.')
    : '';
}

function workerWords(trans: ITranslate, worker: PanelWorker): string {
  return trans.__('Worker %1, %2', shortName(worker.name), statusWords(trans, worker));
}

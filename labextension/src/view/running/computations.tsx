// What runs: how far it is, how fast, what went wrong, and how to end it. A loop whose results are a variable is in the row of
// that; what has no other row has one here.
import { type ReactElement, memo, useEffect, useRef } from 'react';

import type { PanelComputation } from '../../protocol';
import type { IBoardActions } from '../../store/actions';
import { useNotebook } from '../common/context';
import { IconButton, ProgressBar } from '../common/elements';
import { CloseIcon } from '../common/icons';
import { type ITranslate, useTranslate } from '../common/useTranslate';

interface IComputationsProps {
  computations: ReadonlyMap<string, PanelComputation>;
  /** Ids of those that other rows show. */
  elsewhere: ReadonlySet<string>;
  actions: IBoardActions;
  disabled: boolean;
  announce(text: string): void;
}

export const Computations = memo(function Computations(props: IComputationsProps): ReactElement | null {
  const { computations, elsewhere, actions, disabled, announce } = props;
  const trans = useTranslate();
  const told = useRef(computations);
  useEffect(() => {
    const began = [...computations.values()].find(({ id }) => !told.current.has(id));
    told.current = computations;
    if (began !== undefined) {
      announce(trans.__('%1 runs', began.label));
    }
  }, [computations, announce, trans]);
  const rows = [...computations.values()].filter(({ id }) => !elsewhere.has(id));
  if (rows.length === 0) {
    return null;
  }
  return (
    <section className="jp-Moorage-section jp-Moorage-computations" aria-label={trans.__('Running')}>
      <h2>
        {trans.__('Running')}
        <span className="jp-Moorage-space" />
        {rows.length > 1 ? <small>{rows.length}</small> : null}
      </h2>
      <ul className="jp-Moorage-list">
        {rows.map(computation => (
          <li key={computation.id}>
            <Run computation={computation} actions={actions} disabled={disabled} />
          </li>
        ))}
      </ul>
    </section>
  );
});

export const Run = memo(function Run({
  computation,
  actions,
  disabled
}: {
  computation: PanelComputation;
  actions: IBoardActions;
  disabled: boolean;
}): ReactElement {
  const trans = useTranslate();
  const notebook = useNotebook();
  const { id, label, cell, execution, total, done, failed, cancelling } = computation;
  const canGo = cell !== '' && (notebook?.hasCell(cell) ?? false);
  const where = execution > 0 ? `[${execution}]` : '';
  return (
    <div className="jp-Moorage-computation" data-moorage-computation={label}>
      <div>
        {where === '' ? null : canGo ? (
          <button
            type="button"
            className="jp-Moorage-link"
            title={trans.__('Go to the cell')}
            aria-label={trans.__('Go to the cell %1', where)}
            onClick={() => notebook?.goToCell(cell)}
          >
            {where}
          </button>
        ) : (
          <span className="jp-Moorage-dim">{where}</span>
        )}
        <code className="jp-Moorage-ellipsis" title={label}>
          {label}
        </code>
        <span className="jp-Moorage-space" />
        {disabled ? null : cancelling ? (
          <span className="jp-Moorage-dim">{trans.__('cancelling…')}</span>
        ) : (
          <IconButton label={trans.__('Cancel %1', label)} onClick={() => actions.cancel(id)}>
            <CloseIcon />
          </IconButton>
        )}
      </div>
      {total < 0 ? null : <ProgressBar label={label} now={done} max={total} />}
      <small>
        <span className="jp-Moorage-dim">{progressWords(trans, computation)}</span>
        {failed > 0 ? (
          <span className="jp-Moorage-failed">
            {' · '}
            {trans.__('%1 failed', failed.toLocaleString())}
          </span>
        ) : null}
      </small>
    </div>
  );
});

/** "412 of 1,000 · 23/s · 25 s left" */
export function progressWords(trans: ITranslate, { total, done, rate }: PanelComputation): string {
  const count =
    total < 0
      ? trans.__('%1 items', done.toLocaleString())
      : trans.__('%1 of %2', done.toLocaleString(), total.toLocaleString());
  const left = total < 0 || rate <= 0 ? null : (total - done) / rate;
  return [count, ...rateWords(trans, rate), ...(left === null ? [] : [leftWords(trans, left)])].join(' · ');
}

function rateWords(trans: ITranslate, rate: number): string[] {
  if (rate <= 0) {
    return [];
  }
  const perMinute = 60 * rate;
  return [
    rate >= 1
      ? trans.__('%1/s', rounded(rate))
      : perMinute >= 1
        ? trans.__('%1/min', rounded(perMinute))
        : trans.__('%1/h', rounded(60 * perMinute))
  ];
}

function rounded(value: number): string {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function leftWords(trans: ITranslate, seconds: number): string {
  return seconds < 100
    ? trans.__('%1 s left', Math.ceil(seconds))
    : seconds < 100 * 60
      ? trans.__('%1 min left', Math.round(seconds / 60))
      : trans.__('%1 h left', Math.round(seconds / 3600));
}

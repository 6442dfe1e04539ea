// The last lines: what is on its way and how far, a question before a large copy, and the magic of the last gesture.
import { type ReactElement, useEffect, useRef, useState } from 'react';

import type { IBoardState, IVariable } from '../store/state';
import { useNotebook } from './context';
import { IconButton, ProgressBar } from './elements';
import { CheckIcon, CopyIcon, InsertIcon } from './icons';
import { useTranslate } from './useTranslate';
import { formatBytesOf, moveBytes, progress, countedNames } from './words';

/** Moves that are shown one by one. */
const MAX_MOVES = 2;

/** Milliseconds for which "copied" is shown. */
const COPIED = 1500;

export interface IQuestion {
  readonly text: string;
  readonly yes: string;
  onYes(): void;
  onNo(): void;
}

interface IFooterProps {
  state: IBoardState;
  question: IQuestion | null;
  /** Lines of a gesture that is being made; null: those of the last one. */
  hint: readonly string[] | null;
}

export function Footer({ state, question, hint }: IFooterProps): ReactElement {
  const trans = useTranslate();
  const lines = hint ?? state.magic;
  const moving = [...state.moves.keys()].flatMap(name => state.variables.get(name) ?? []);
  return (
    <footer className="jp-Moorage-footer">
      {question === null ? <Moves state={state} moving={moving} /> : <Question question={question} />}
      {lines.length > 0 ? (
        <Magic lines={lines} isHint={hint !== null} />
      ) : (
        <p className="jp-Moorage-dim jp-Moorage-tip">
          {state.readOnly
            ? trans.__('This panel is read-only.')
            : trans.__('Drag a variable, or press Enter on it.')}
        </p>
      )}
    </footer>
  );
}

function Moves({ state, moving }: { state: IBoardState; moving: readonly IVariable[] }): ReactElement | null {
  const trans = useTranslate();
  return (
    <>
      {moving.slice(0, MAX_MOVES).map(variable => {
        const { done, all } = moveBytes(state.moves, variable);
        const part = progress(state.moves, variable) ?? 0;
        const where = trans.__('%1 → %2', variable.name, countedNames(trans, variable.pending));
        return (
          <div key={variable.name} className="jp-Moorage-move" data-moorage-move={variable.name}>
            <div>
              <span className="jp-Moorage-ellipsis">{where}</span>
              <span className="jp-Moorage-space" />
              <span className="jp-Moorage-dim">{formatBytesOf(trans, done, all)}</span>
            </div>
            <ProgressBar label={where} now={100 * part} max={100} />
          </div>
        );
      })}
      {moving.length > MAX_MOVES ? (
        <small className="jp-Moorage-dim">
          {trans.__('and %1 more on their way', moving.length - MAX_MOVES)}
        </small>
      ) : null}
    </>
  );
}

function Question({ question }: { question: IQuestion }): ReactElement {
  const trans = useTranslate();
  const no = useRef<HTMLButtonElement>(null);
  // Not on what acts: Enter may still be down from the drop.
  useEffect(() => {
    const timer = setTimeout(() => no.current?.focus());
    return () => clearTimeout(timer);
  }, []);
  return (
    <div
      className="jp-Moorage-question"
      role="alertdialog"
      aria-label={question.text}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.preventDefault();
          event.stopPropagation();
          question.onNo();
        }
      }}
    >
      <span>{question.text}</span>
      <span className="jp-Moorage-space" />
      <button type="button" className="jp-Moorage-primary" onClick={() => question.onYes()}>
        {question.yes}
      </button>
      <button type="button" className="jp-Moorage-secondary" ref={no} onClick={() => question.onNo()}>
        {trans.__('Cancel')}
      </button>
    </div>
  );
}

function Magic({ lines, isHint }: { lines: readonly string[]; isHint: boolean }): ReactElement {
  const trans = useTranslate();
  const notebook = useNotebook();
  const [isCopied, setCopied] = useState(false);
  const text = lines.join('\n');
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), COPIED);
    });
  };
  return (
    <div className={`jp-Moorage-magic${isHint ? ' jp-mod-hint' : ''}`} data-moorage-magic="">
      <code tabIndex={0}>{text}</code>
      {isHint ? null : (
        <>
          <IconButton
            label={trans.__('Copy')}
            title={isCopied ? trans.__('Copied') : trans.__('Copy')}
            onClick={copy}
          >
            {isCopied ? <CheckIcon /> : <CopyIcon />}
          </IconButton>
          {notebook === null ? null : (
            <IconButton label={trans.__('Insert as a cell')} onClick={() => notebook.insertCell(text)}>
              <InsertIcon />
            </IconButton>
          )}
        </>
      )}
    </div>
  );
}

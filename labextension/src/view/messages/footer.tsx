// The last lines: what is on its way and how far, a question before a large copy, what happened last, and the magic of the
// last gesture.
import { type ReactElement, useEffect, useRef } from 'react';

import type { IBoardActions } from '../../store/actions';
import type { IBoardState, IVariable } from '../../store/state';
import { ProgressBar } from '../common/elements';
import { Events } from './events';
import { MagicLine } from '../common/magicLine';
import { UndoButton } from './undo';
import { useTranslate } from '../common/useTranslate';
import { countedNames, moveWords, progress } from '../common/words';

/** Moves that are shown one by one. */
const MAX_MOVES = 2;

export interface IQuestion {
  readonly text: string;
  readonly yes: string;
  onYes(): void;
  onNo(): void;
}

interface IFooterProps {
  state: IBoardState;
  actions: IBoardActions;
  question: IQuestion | null;
  /** Lines of a gesture that is being made; null: those of the last one. */
  hint: readonly string[] | null;
}

export function Footer({ state, actions, question, hint }: IFooterProps): ReactElement {
  const trans = useTranslate();
  const lines = hint ?? state.magic;
  const moving = [...state.moves.keys()].flatMap(name => state.variables.get(name) ?? []);
  return (
    <footer className="jp-Moorage-footer">
      {question === null ? <Moves state={state} moving={moving} /> : <Question question={question} />}
      <Events events={state.events} />
      <div className="jp-Moorage-done">
        {lines.length > 0 ? (
          <div data-moorage-magic="">
            <MagicLine key={lines.join()} text={lines.join('\n')} isHint={hint !== null} />
          </div>
        ) : (
          <p className="jp-Moorage-dim jp-Moorage-tip">
            {state.readOnly
              ? trans.__('This panel is read-only.')
              : trans.__('Drag a variable, or press Enter on it.')}
          </p>
        )}
        <UndoButton state={state} actions={actions} />
      </div>
    </footer>
  );
}

function Moves({ state, moving }: { state: IBoardState; moving: readonly IVariable[] }): ReactElement | null {
  const trans = useTranslate();
  return (
    <>
      {moving.slice(0, MAX_MOVES).map(variable => {
        const part = progress(state.moves, variable) ?? 0;
        const where = trans.__('%1 → %2', variable.name, countedNames(trans, variable.pending));
        return (
          <div key={variable.name} className="jp-Moorage-move" data-moorage-move={variable.name}>
            <div>
              <span className="jp-Moorage-ellipsis">{where}</span>
              <span className="jp-Moorage-space" />
              <span className="jp-Moorage-dim">{moveWords(trans, state.moves, variable)}</span>
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

// Why something is as it is, as `%why` says it: one cause, one remedy, and the line that does it.
import { type ReactElement, useEffect } from 'react';

import type { PanelWhy } from '../../protocol';
import type { IBoardActions } from '../../store/actions';
import { shortName } from '../../store/names';
import type { IExplanation } from '../../store/state';
import { IconButton } from '../common/elements';
import { CloseIcon } from '../common/icons';
import { MagicLine } from '../common/magicLine';
import { type ITranslate, useTranslate } from '../common/useTranslate';

interface IExplanationProps {
  explanation: IExplanation;
  actions: IBoardActions;
  announce(text: string): void;
}

export function Explanation({ explanation, actions, announce }: IExplanationProps): ReactElement {
  const trans = useTranslate();
  const { about, answer } = explanation;
  useEffect(() => {
    if (answer !== null && about.kind !== 'log') {
      announce([headWords(trans, answer), answer.cause, answer.remedy].filter(Boolean).join(' '));
    }
  }, [trans, about, answer, announce]);
  return (
    <section
      className="jp-Moorage-explanation"
      aria-label={trans.__('Why')}
      data-moorage-why={about.name}
      data-moorage-why-state={answer?.state}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          actions.dismissExplanation();
        }
      }}
    >
      <header>
        <b className="jp-Moorage-ellipsis">
          {about.kind === 'log'
            ? trans.__('Log of %1', shortName(about.name))
            : answer === null
              ? trans.__('Why is %1 as it is?', about.name)
              : headWords(trans, answer)}
        </b>
        <span className="jp-Moorage-space" />
        <IconButton label={trans.__('Dismiss')} onClick={() => actions.dismissExplanation()}>
          <CloseIcon />
        </IconButton>
      </header>
      {answer === null ? (
        <p className="jp-Moorage-dim">{trans.__('asking…')}</p>
      ) : (
        <>
          {answer.cause === '' ? null : <p>{answer.cause}</p>}
          {answer.remedy === '' ? null : <p className="jp-Moorage-dim">{answer.remedy}</p>}
          {answer.others.map((line, index) => (
            <p key={index}>{line}</p>
          ))}
          {answer.log.length === 0 ? null : (
            <pre ref={toEnd} className="jp-Moorage-log" tabIndex={0}>
              {answer.log.join('\n')}
            </pre>
          )}
          {answer.line === '' ? null : <MagicLine text={answer.line} />}
        </>
      )}
    </section>
  );
}

// The newest lines are the last ones.
function toEnd(log: HTMLElement | null): void {
  if (log !== null) {
    log.scrollTop = log.scrollHeight;
  }
}

function headWords(trans: ITranslate, { subject, state }: PanelWhy): string {
  return trans.__('%1 is %2', subject, state);
}

// What assistants want done: the magic that does it, and the user's yes or no.
import { type ReactElement, useEffect, useRef } from 'react';

import type { PanelProposal } from '../../protocol';
import type { IBoardActions } from '../../store/actions';
import { useTranslate } from '../common/useTranslate';

interface IProposalsProps {
  proposals: ReadonlyMap<string, PanelProposal>;
  actions: Pick<IBoardActions, 'decide'>;
  /** One may only look. */
  disabled: boolean;
  announce(text: string): void;
}

export function Proposals({ proposals, actions, disabled, announce }: IProposalsProps): ReactElement | null {
  const trans = useTranslate();
  const told = useRef<string | null>(null);
  const latest = [...proposals.values()].at(-1);
  // The focus stays where it is: the user may be typing.
  useEffect(() => {
    if (latest !== undefined && latest.id !== told.current) {
      told.current = latest.id;
      announce(trans.__('An assistant asks for %1', latest.line));
    }
  }, [latest, announce, trans]);
  return proposals.size === 0 ? null : (
    <div className="jp-Moorage-proposals" role="group" aria-label={trans.__('What assistants ask for')}>
      {[...proposals.values()].map(({ id, line, note }) => (
        <div key={id} className="jp-Moorage-proposal" data-moorage-proposal={line}>
          <p>{trans.__('An assistant asks for')}</p>
          <code>{line}</code>
          {note === '' ? null : <p className="jp-Moorage-dim">{note}</p>}
          <div className="jp-Moorage-question">
            <span className="jp-Moorage-space" />
            <button
              type="button"
              className="jp-Moorage-primary"
              disabled={disabled}
              onClick={() => actions.decide(id, true)}
            >
              {trans.__('Do it')}
            </button>
            <button
              type="button"
              className="jp-Moorage-secondary"
              disabled={disabled}
              onClick={() => actions.decide(id, false)}
            >
              {trans.__('Refuse')}
            </button>
          </div>
        </div>
      ))}
    </div>
  );
}

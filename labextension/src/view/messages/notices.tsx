// What failed or should be known, with what to do about it; each stays until it is dismissed.
import type { ReactElement, ReactNode } from 'react';

import type { IBoardActions } from '../../store/actions';
import { upgradeMagic } from '../../store/magic';
import type { IBoardState } from '../../store/state';
import { IconButton } from '../common/elements';
import { CloseIcon, NoticeIcon } from '../common/icons';
import { useNotebook } from '../common/context';
import { useTranslate } from '../common/useTranslate';

interface INoticesProps {
  state: IBoardState;
  actions: IBoardActions;
  disabled: boolean;
}

export function Notices({ state, actions, disabled }: INoticesProps): ReactElement | null {
  const trans = useTranslate();
  const notebook = useNotebook();
  const { failures, notices, connection } = state;
  const isSlow = connection.status === 'connected' && !connection.concurrent;
  if (failures.length === 0 && notices.size === 0 && !isSlow) {
    return null;
  }
  return (
    <div className="jp-Moorage-notices" role="log" aria-label={trans.__('Notices')} tabIndex={0}>
      {isSlow ? (
        <Notice
          level="info"
          message={trans.__('This kernel answers the panel only between cells.')}
          remedy={trans.__('ipykernel 7.4 or newer answers at any time: install it and restart the kernel.')}
        >
          {notebook === null ? null : (
            <button
              type="button"
              className="jp-Moorage-link"
              onClick={() => notebook.insertCell(upgradeMagic)}
            >
              {trans.__('Insert')} <code>{upgradeMagic}</code>
            </button>
          )}
        </Notice>
      ) : null}
      {failures.map(({ id, error, retry }) => (
        <Notice
          key={`failure:${id}`}
          level="error"
          message={error.message}
          remedy={error.remedy}
          onDismiss={() => actions.dismissFailure(id)}
        >
          {retry === null || disabled ? null : (
            <button
              type="button"
              className="jp-Moorage-link"
              onClick={() => {
                actions.dismissFailure(id);
                actions.perform([retry], true);
              }}
            >
              {trans.__('Place anyway')}
            </button>
          )}
        </Notice>
      ))}
      {[...notices.values()].map(({ id, level, message, remedy }) => (
        <Notice
          key={`notice:${id}`}
          id={id}
          level={level}
          message={message}
          remedy={remedy}
          onDismiss={() => actions.dismiss(id)}
        />
      ))}
    </div>
  );
}

interface INoticeProps {
  id?: string;
  level: 'info' | 'warning' | 'error';
  message: string;
  remedy: string;
  onDismiss?: () => void;
  children?: ReactNode;
}

function Notice({ id, level, message, remedy, onDismiss, children }: INoticeProps): ReactElement {
  const trans = useTranslate();
  return (
    <div className={`jp-Moorage-notice jp-mod-${level}`} data-moorage-notice={id ?? level}>
      <NoticeIcon level={level} />
      <div>
        <p>{message}</p>
        {remedy === '' ? null : <p className="jp-Moorage-dim">{remedy}</p>}
        {children}
      </div>
      {onDismiss === undefined ? null : (
        <IconButton label={trans.__('Dismiss')} onClick={onDismiss}>
          <CloseIcon />
        </IconButton>
      )}
    </div>
  );
}

// What the board says while there is nothing to show, and the one step that changes it.
import { type ReactElement, type ReactNode, useEffect, useState } from 'react';

import type { Form, IBoardActions } from '../../store/actions';
import { installMagic, loadMagic } from '../../store/magic';
import type { IBoardState } from '../../store/state';
import { AttachForm } from './attachForm';
import { StartForm } from './startForm';
import { useNotebook } from '../common/context';
import { AnchorIcon } from '../common/icons';
import { useTranslate } from '../common/useTranslate';

interface IEmptyProps {
  state: IBoardState;
  actions: IBoardActions;
  disabled: boolean;
}

/** Whether there is nothing but `Empty` to show. */
export function isEmpty({ connection, cluster, version }: IBoardState): boolean {
  return (
    connection.status !== 'connected' || version === null || cluster === null || cluster.status === 'stopped'
  );
}

export function Empty({ state, actions, disabled }: IEmptyProps): ReactElement {
  const trans = useTranslate();
  const { connection } = state;
  switch (connection.status) {
    case 'no-kernel':
      return (
        <Message title={trans.__('Open a notebook')}>
          {trans.__('The panel follows the active notebook or console.')}
        </Message>
      );
    case 'unsupported':
      return (
        <Message title={trans.__('moorage works with Python')}>
          {trans.__('The active kernel is %1.', connection.message)}
        </Message>
      );
    case 'dead':
      return (
        <Message title={trans.__('The kernel has died')}>
          {trans.__('Restart it to continue. A cluster started with --keep is still running: attach to it.')}
        </Message>
      );
    case 'incompatible':
      return (
        <Message title={trans.__('Versions differ')}>
          {connection.message}{' '}
          {trans.__(
            'Install the same version of moorage for JupyterLab and for the kernel, then reload the page.'
          )}
        </Message>
      );
    case 'absent':
      return (
        <Message title={trans.__('Keep data next to your code')}>
          <span>
            {trans.__('moorage keeps Dask data where you put it. It is not loaded in this kernel yet.')}
          </span>
          {connection.message === '' ? null : <span>{connection.message}</span>}
          <Insert magic={loadMagic} />
        </Message>
      );
    case 'missing':
      return (
        <Message title={trans.__('moorage is not installed in this kernel')}>
          <span>{trans.__('JupyterLab has it, but the kernel runs in another environment:')}</span>
          <code>{connection.message}</code>
          <Insert magic={installMagic} />
        </Message>
      );
    case 'connecting':
      return <Waiting concurrent={connection.concurrent} />;
    case 'connected':
      return state.version === null ? (
        <Waiting concurrent={connection.concurrent} />
      ) : (
        <Start actions={actions} disabled={disabled} state={state} />
      );
  }
}

function Message({ title, children }: { title: string; children: ReactNode }): ReactElement {
  return (
    <div className="jp-Moorage-empty">
      <AnchorIcon size={48} />
      <b>{title}</b>
      {children}
    </div>
  );
}

/** A button that puts a magic into the notebook; where there is none, the magic. */
function Insert({ magic }: { magic: string }): ReactElement {
  const trans = useTranslate();
  const notebook = useNotebook();
  return notebook === null ? (
    <code>{magic}</code>
  ) : (
    <button type="button" className="jp-Moorage-primary" onClick={() => notebook.insertCell(magic)}>
      {trans.__('Insert')} <code>{magic.split('\n')[0]}</code>
    </button>
  );
}

/** Milliseconds after which somebody may want to wait no longer. */
const LONG = 10_000;

function Waiting({ concurrent }: { concurrent: boolean }): ReactElement {
  const trans = useTranslate();
  const notebook = useNotebook();
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), LONG);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="jp-Moorage-empty jp-mod-waiting" role="status">
      <AnchorIcon size={48} />
      <span>
        {concurrent
          ? trans.__('Asking the kernel…')
          : trans.__('Asking the kernel; it answers between cells.')}
      </span>
      {isLong ? (
        <>
          <span>{trans.__('It has not answered for a while. A long computation may keep it busy.')}</span>
          {notebook === null ? null : (
            <button type="button" className="jp-Moorage-link" onClick={() => notebook.interrupt()}>
              {trans.__('Interrupt the kernel')}
            </button>
          )}
        </>
      ) : null}
    </div>
  );
}

function Start({
  actions,
  disabled,
  state: { cluster, form, asked }
}: {
  actions: IBoardActions;
  disabled: boolean;
  state: IBoardState;
}): ReactElement {
  const trans = useTranslate();
  const detail = cluster?.detail ?? '';
  const opener = (other: Form, label: string): ReactElement => (
    <button type="button" className="jp-Moorage-link" onClick={() => actions.open(other)}>
      {label}
    </button>
  );
  return (
    <Message title={trans.__('Keep data next to your code')}>
      {detail === '' ? null : <span className="jp-Moorage-detail">{detail}</span>}
      <span>
        {trans.__('Start a cluster or attach to one. Then drag a variable onto a worker: it stays there.')}
      </span>
      {disabled ? (
        <span>{trans.__('The panel is read-only.')}</span>
      ) : (
        <>
          {form === 'attach' ? (
            <AttachForm actions={actions} />
          ) : (
            <StartForm actions={actions} isOpen={form === 'start'} asked={asked} />
          )}
          <span className="jp-Moorage-openers">
            {form === 'start'
              ? null
              : opener('start', form === null ? trans.__('Options…') : trans.__('Start…'))}
            {form === 'attach' ? null : opener('attach', trans.__('Attach…'))}
          </span>
        </>
      )}
    </Message>
  );
}

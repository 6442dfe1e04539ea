// The strip at the top: which cluster this is, how it does, and how large it shall be.
import * as Menu from '@radix-ui/react-dropdown-menu';
import { type ReactElement, useContext, useEffect, useRef, useState } from 'react';

import type { PanelCluster } from '../../protocol';
import type { IBoardActions } from '../../store/actions';
import { threads } from '../../store/holdings';
import { shortName } from '../../store/names';
import type { IBoardState } from '../../store/state';
import { Mark, ProgressBar } from '../common/elements';
import { AnchorIcon, DashboardIcon, LockIcon, MinusIcon, MoreIcon, PlusIcon } from '../common/icons';
import { isWebAddress, rangeAround } from './needs';
import { LayerContext } from '../common/tree';
import { type ITranslate, useTranslate } from '../common/useTranslate';

/** Milliseconds without another press before a new size is asked for. */
const SETTLE = 600;

interface IStripProps {
  state: IBoardState;
  actions: IBoardActions;
  disabled: boolean;
  onStop(): void;
}

export function ClusterStrip({ state, actions, disabled, onStop }: IStripProps): ReactElement {
  const trans = useTranslate();
  const { cluster } = state;
  if (cluster === null || cluster.status === 'stopped') {
    return (
      <header className="jp-Moorage-cluster">
        <div className="jp-Moorage-strip">
          <span className="jp-Moorage-strip-name">
            <i className="jp-Moorage-dot" />
            <b>{trans.__('No cluster')}</b>
          </span>
        </div>
      </header>
    );
  }
  // The name of a local cluster is made up, if it is not kept to be found by it; that of another one means something.
  const isNamed = cluster.kind !== 'local' || cluster.kept;
  const isScalable = cluster.scalable && !disabled && cluster.status !== 'lost';
  // By what changes it: where there is little room, that says it alone.
  const isCounted = isScalable && cluster.adapt.length === 0 && cluster.pending === 0;
  return (
    <header className="jp-Moorage-cluster" data-moorage-cluster={cluster.status}>
      <div className="jp-Moorage-strip">
        <span className="jp-Moorage-strip-name">
          <i
            className={`jp-Moorage-dot jp-mod-${cluster.status}${cluster.pending > 0 ? ' jp-mod-busy' : ''}`}
            role="img"
            aria-label={statusWords(trans, cluster)}
            title={statusWords(trans, cluster)}
          />
          <b className="jp-Moorage-cluster-name" title={`${cluster.name} (${cluster.kind})`}>
            {isNamed ? shortName(cluster.name) : trans.__('local')}
          </b>
          {cluster.kind === 'local' || cluster.kind === cluster.name ? null : (
            <span className="jp-Moorage-dim jp-Moorage-ellipsis jp-Moorage-cluster-kind" title={cluster.kind}>
              {cluster.kind}
            </span>
          )}
          {cluster.secure ? (
            <Mark label={trans.__('TLS')} title={trans.__('Encrypted: TLS')}>
              <LockIcon />
            </Mark>
          ) : null}
          {cluster.kept ? (
            <Mark label={trans.__('kept')} title={keptWords(trans, cluster)}>
              <AnchorIcon size={13} />
            </Mark>
          ) : null}
        </span>
        <span className="jp-Moorage-dim jp-Moorage-facts">
          {isCounted ? <span className="jp-mod-narrow">{trans.__('Workers')}</span> : null}
          <span className={isCounted ? 'jp-mod-wide' : undefined}>
            {factWords(trans, state, cluster)}
            <span className="jp-Moorage-threads">
              {` · ${trans._n('%1 thread', '%1 threads', threads(state))}`}
            </span>
          </span>
        </span>
        {isScalable ? <Size cluster={cluster} actions={actions} /> : null}
        <span className="jp-Moorage-strip-tools">
          {isWebAddress(cluster.dashboard_link) ? (
            <a
              className="jp-Moorage-button"
              href={cluster.dashboard_link}
              target="_blank"
              rel="noopener noreferrer"
              title={trans.__('Dask dashboard')}
              aria-label={trans.__('Dask dashboard')}
            >
              <DashboardIcon />
            </a>
          ) : null}
          <ClusterMenu cluster={cluster} actions={actions} disabled={disabled} onStop={onStop} />
        </span>
      </div>
      {cluster.detail === '' ? null : (
        <p className={`jp-Moorage-detail jp-mod-${cluster.status}`}>{cluster.detail}</p>
      )}
      {cluster.pending > 0 ? (
        <ProgressBar label={trans.__('Workers')} now={cluster.arrived} max={cluster.requested} />
      ) : null}
    </header>
  );
}

function ClusterMenu({
  cluster,
  actions,
  disabled,
  onStop
}: {
  cluster: PanelCluster;
  actions: IBoardActions;
  disabled: boolean;
  onStop(): void;
}): ReactElement {
  const trans = useTranslate();
  const layer = useContext(LayerContext);
  const isAdapting = cluster.adapt.length === 2;
  // Done once the menu has closed, which would take the focus from a question.
  const stops = useRef(false);
  const onClose = (event: Event): void => {
    if (stops.current) {
      event.preventDefault();
      stops.current = false;
      onStop();
    }
  };
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger
        className="jp-Moorage-button"
        aria-label={trans.__('Cluster menu')}
        title={trans.__('More')}
      >
        <MoreIcon />
      </Menu.Trigger>
      <Menu.Portal container={layer}>
        <Menu.Content
          className="jp-Moorage-menu jp-Moorage-theme"
          align="end"
          sideOffset={4}
          onCloseAutoFocus={onClose}
        >
          <Menu.CheckboxItem
            className="jp-Moorage-menu-item"
            checked={isAdapting}
            disabled={disabled || !cluster.scalable}
            onCheckedChange={on => actions.adapt(on ? rangeAround(cluster) : null)}
          >
            {trans.__('Adapt to load')}
            <Menu.ItemIndicator>✓</Menu.ItemIndicator>
          </Menu.CheckboxItem>
          <Menu.CheckboxItem
            className="jp-Moorage-menu-item"
            checked={cluster.kept}
            disabled={disabled || !cluster.scalable}
            onCheckedChange={on => actions.keep(on)}
          >
            {trans.__('Keep when this notebook ends')}
            <Menu.ItemIndicator>✓</Menu.ItemIndicator>
          </Menu.CheckboxItem>
          <Menu.Item
            className="jp-Moorage-menu-item"
            disabled={!isWebAddress(cluster.dashboard_link)}
            onSelect={() => window.open(cluster.dashboard_link, '_blank', 'noopener')}
          >
            {trans.__('Open the Dask dashboard')}
          </Menu.Item>
          <Menu.Separator className="jp-Moorage-menu-line" />
          <Menu.Item
            className="jp-Moorage-menu-item"
            disabled={disabled || !cluster.leavable}
            title={leavableWords(trans, cluster)}
            onSelect={() => actions.leave()}
          >
            {trans.__('Leave the cluster')}
          </Menu.Item>
          <Menu.Item
            className="jp-Moorage-menu-item"
            disabled={disabled || !cluster.stoppable}
            title={cluster.stoppable ? undefined : trans.__('Somebody else has started it.')}
            onSelect={() => (stops.current = true)}
          >
            {trans.__('Stop the cluster')}
          </Menu.Item>
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}

function Size({ cluster, actions }: { cluster: PanelCluster; actions: IBoardActions }): ReactElement {
  const trans = useTranslate();
  const [minimum, maximum] = cluster.adapt;
  return minimum !== undefined && maximum !== undefined ? (
    <span className="jp-Moorage-range" role="group" aria-label={trans.__('Adapts between')}>
      <NumberField
        label={trans.__('Minimum workers')}
        value={minimum}
        least={0}
        onCommit={value => actions.adapt([value, Math.max(value, maximum)])}
      />
      <span className="jp-Moorage-dim">–</span>
      <NumberField
        label={trans.__('Maximum workers')}
        value={maximum}
        least={1}
        onCommit={value => actions.adapt([Math.min(value, minimum), value])}
      />
    </span>
  ) : (
    <Stepper
      label={trans.__('Workers')}
      value={cluster.requested}
      least={0}
      settle={SETTLE}
      onCommit={value => actions.scale(value)}
    />
  );
}

interface INumberProps {
  label: string;
  value: number;
  least: number;
  onCommit(value: number): void;
}

/** A number with a button on either side; commits when it has come to rest for `settle` milliseconds. */
export function Stepper({
  label,
  value,
  least,
  settle,
  onCommit
}: INumberProps & { settle: number }): ReactElement {
  const trans = useTranslate();
  const [asked, setAsked] = useState<number | null>(null);
  const shown = asked ?? value;
  const set = (next: number): void => setAsked(Math.max(least, next));
  useEffect(() => {
    if (asked === null) {
      return;
    }
    const timer = setTimeout(() => {
      setAsked(null);
      if (asked !== value) {
        onCommit(asked);
      }
    }, settle);
    return () => clearTimeout(timer);
  }, [asked, value, settle, onCommit]);
  return (
    <span className="jp-Moorage-stepper" role="group" aria-label={label}>
      <button
        type="button"
        aria-label={trans.__('One worker fewer')}
        disabled={shown <= least}
        onClick={() => set(shown - 1)}
      >
        <MinusIcon />
      </button>
      <NumberField label={label} value={shown} least={least} onCommit={set} />
      <button type="button" aria-label={trans.__('One worker more')} onClick={() => set(shown + 1)}>
        <PlusIcon />
      </button>
    </span>
  );
}

function NumberField({ label, value, least, onCommit }: INumberProps): ReactElement {
  const [typed, setTyped] = useState<string | null>(null);
  const commit = (): void => {
    const number = Number.parseInt(typed ?? '', 10);
    setTyped(null);
    if (Number.isFinite(number) && number >= least && number !== value) {
      onCommit(number);
    }
  };
  return (
    <input
      className="jp-Moorage-number"
      inputMode="numeric"
      aria-label={label}
      size={Math.max(2, String(typed ?? value).length)}
      value={typed ?? String(value)}
      onChange={event => setTyped(event.target.value.replace(/\D/g, ''))}
      onBlur={commit}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          commit();
        }
      }}
    />
  );
}

function statusWords(trans: ITranslate, { status }: PanelCluster): string {
  return {
    starting: trans.__('starting'),
    connected: trans.__('connected'),
    lost: trans.__('connection lost'),
    stopped: trans.__('stopped')
  }[status];
}

function keptWords(trans: ITranslate, { idle_timeout, park }: PanelCluster): string {
  if (idle_timeout === undefined || idle_timeout === 0) {
    return trans.__('Outlives this kernel');
  }
  const minutes = Math.round(idle_timeout / 60);
  return park === undefined || park === ''
    ? trans.__('Outlives this kernel; stops after %1 min unused', minutes)
    : trans.__('Outlives this kernel; is parked in %2 after %1 min unused', minutes, park);
}

function leavableWords(trans: ITranslate, { leavable }: PanelCluster): string {
  return leavable
    ? trans.__('It goes on, with what is placed on it.')
    : trans.__('It ends with this notebook: keep it first.');
}

function factWords(trans: ITranslate, state: IBoardState, cluster: PanelCluster): string {
  const facts = [
    cluster.pending > 0
      ? trans.__('%1 of %2 workers', cluster.arrived, cluster.requested)
      : trans._n('%1 worker', '%1 workers', cluster.arrived)
  ];
  if (state.hosts.length > 1) {
    facts.push(trans._n('%1 host', '%1 hosts', state.hosts.length));
  }
  return facts.join(' · ');
}

// How a board starts a cluster: one click for local workers, or a form for any kind, made of what its class takes.
import { type FormEvent, type ReactElement, useEffect, useId, useState } from 'react';

import type { PanelKind, PanelParameter } from '../../protocol';
import type { IBoardActions, IStartOptions } from '../../store/actions';
import { Stepper } from './cluster';
import { closeOnEscape } from './escape';
import { useTranslate } from '../common/useTranslate';

const DEFAULT_WORKERS = 2;
/** "2GB", "512 MiB": as Dask reads it. */
const MEMORY = String.raw`\d*\.?\d+ *[kKMGTP]i?B`;
/** Parameters that are shown at once; a class names first what matters most. */
const FIRST = 6;
/** The choice of a class by its path. */
const ANOTHER = '…';

interface IFormProps {
  actions: IBoardActions;
  /** Whether all of it is shown. */
  isOpen: boolean;
  /** What was asked for before, which has failed. */
  asked: IStartOptions | null;
}

export function StartForm({ actions, isOpen, asked }: IFormProps): ReactElement {
  const trans = useTranslate();
  const [workers, setWorkers] = useState(asked?.workers ?? DEFAULT_WORKERS);
  const [threads, setThreads] = useState(asked?.threads?.toString() ?? '');
  const [memory, setMemory] = useState(asked?.memory ?? '');
  const [keep, setKeep] = useState(asked?.keep ?? false);
  const [using, setUsing] = useState(asked?.using ?? '');
  const [options, setOptions] = useState(asked?.options ?? {});
  const [kind, failure] = useKind(actions, using, isOpen);
  const isLocal = kind?.is_local !== false;
  const start = (event: FormEvent): void => {
    event.preventDefault();
    const each = Number.parseInt(threads, 10);
    const limit = memory.replaceAll(' ', '');
    const taken = new Set(kind?.parameters.map(({ name }) => name));
    const given = Object.entries(options).filter(([name, value]) => value !== '' && taken.has(name));
    actions.start({
      workers,
      ...(isOpen && isLocal && each > 0 ? { threads: each } : {}),
      ...(isOpen && isLocal && limit !== '' ? { memory: limit } : {}),
      ...(isOpen && keep ? { keep } : {}),
      ...(isOpen && using !== '' ? { using } : {}),
      ...(isOpen && given.length > 0 ? { options: Object.fromEntries(given) } : {})
    });
  };
  const set = (name: string, value: string): void => setOptions({ ...options, [name]: value });
  const rest = kind?.parameters.slice(FIRST) ?? [];
  return (
    <form className="jp-Moorage-form" onSubmit={start} onKeyDown={event => closeOnEscape(event, actions)}>
      {isOpen ? (
        <>
          <KindField kinds={kind?.kinds ?? []} path={kind?.path ?? ''} using={using} onChange={setUsing} />
          <span>{trans.__('Workers')}</span>
          <Stepper label={trans.__('Workers')} value={workers} least={1} settle={0} onCommit={setWorkers} />
          {isLocal ? (
            <LocalFields threads={threads} memory={memory} onThreads={setThreads} onMemory={setMemory} />
          ) : null}
          {kind?.parameters.slice(0, FIRST).map(one => (
            <ParameterField key={one.name} parameter={one} value={options[one.name] ?? ''} onChange={set} />
          ))}
          {rest.length === 0 ? null : (
            <details className="jp-Moorage-wide">
              <summary>{trans._n('%1 more option', '%1 more options', rest.length)}</summary>
              <div className="jp-Moorage-form">
                {rest.map(one => (
                  <ParameterField
                    key={one.name}
                    parameter={one}
                    value={options[one.name] ?? ''}
                    onChange={set}
                  />
                ))}
              </div>
            </details>
          )}
          {failure === '' ? null : (
            <p className="jp-Moorage-wide jp-Moorage-refusal" role="alert">
              {failure}
            </p>
          )}
          <label className="jp-Moorage-check">
            <input type="checkbox" checked={keep} onChange={event => setKeep(event.target.checked)} />
            {trans.__('Keep it when this kernel ends')}
          </label>
        </>
      ) : null}
      <span className="jp-Moorage-start">
        <button type="submit" className="jp-Moorage-primary" disabled={isOpen && failure !== ''}>
          {trans._n('Start %1 worker', 'Start %1 workers', workers)}
        </button>
        {isOpen ? null : (
          <Stepper label={trans.__('Workers')} value={workers} least={1} settle={0} onCommit={setWorkers} />
        )}
      </span>
    </form>
  );
}

/** What the kernel says of a kind, of the one before until it has, and why it cannot. */
function useKind(actions: IBoardActions, name: string, isOpen: boolean): [PanelKind | null, string] {
  const [kind, setKind] = useState<PanelKind | null>(null);
  const [failure, setFailure] = useState('');
  useEffect(() => {
    let isAsked = isOpen;
    if (!isOpen) {
      return;
    }
    actions.kind(name).then(
      found => {
        if (isAsked) {
          setKind(found);
          setFailure('');
        }
      },
      (reason: unknown) => {
        if (isAsked) {
          setKind(before => before && { ...before, is_local: false, parameters: [] });
          setFailure(reason instanceof Error ? reason.message : String(reason));
        }
      }
    );
    return () => {
      isAsked = false;
    };
  }, [actions, name, isOpen]);
  return [kind, failure];
}

function KindField({
  kinds,
  path,
  using,
  onChange
}: {
  kinds: readonly string[];
  path: string;
  using: string;
  onChange(using: string): void;
}): ReactElement {
  const trans = useTranslate();
  const id = useId();
  const [isAnother, setAnother] = useState(false);
  // What is configured has no name, but its class.
  const [configured, setConfigured] = useState('');
  if (using === '' && path !== configured) {
    setConfigured(path);
  }
  const label = (kind: string): string =>
    kind === 'local' || (kind === '' && /(^|\.)LocalCluster$|^$/.test(configured))
      ? trans.__('On this machine')
      : kind === ''
        ? (configured.split('.').at(-1) ?? configured)
        : kind.toUpperCase();
  return (
    <>
      <label htmlFor={id}>{trans.__('Kind')}</label>
      <select
        id={id}
        autoFocus
        value={isAnother ? ANOTHER : using}
        onChange={({ target: { value } }) => {
          setAnother(value === ANOTHER);
          if (value !== ANOTHER) {
            onChange(value);
          }
        }}
      >
        {(kinds.length === 0 ? [''] : kinds).map(kind => (
          <option key={kind} value={kind}>
            {label(kind)}
          </option>
        ))}
        <option value={ANOTHER}>{trans.__('Another class…')}</option>
      </select>
      {isAnother ? (
        <>
          <label htmlFor={`${id}-path`}>{trans.__('Class')}</label>
          <input
            id={`${id}-path`}
            placeholder={trans.__('package.ClusterClass')}
            onBlur={event => onChange(event.target.value.trim())}
          />
        </>
      ) : null}
    </>
  );
}

function LocalFields(props: {
  threads: string;
  memory: string;
  onThreads(threads: string): void;
  onMemory(memory: string): void;
}): ReactElement {
  const { threads, memory, onThreads, onMemory } = props;
  const trans = useTranslate();
  const id = useId();
  return (
    <>
      <label htmlFor={`${id}-threads`}>{trans.__('Threads of each')}</label>
      <input
        id={`${id}-threads`}
        inputMode="numeric"
        value={threads}
        placeholder={trans.__('as Dask chooses')}
        onChange={event => onThreads(event.target.value.replace(/\D/g, ''))}
      />
      <label htmlFor={`${id}-memory`}>{trans.__('Memory of each')}</label>
      <input
        id={`${id}-memory`}
        value={memory}
        placeholder={trans.__('an even share')}
        pattern={MEMORY}
        title={trans.__('A size, such as 2GB or 512MiB')}
        onChange={event => onMemory(event.target.value)}
      />
    </>
  );
}

function ParameterField({
  parameter: { name, typename, default: usual, description },
  value,
  onChange
}: {
  parameter: PanelParameter;
  value: string;
  onChange(name: string, value: string): void;
}): ReactElement {
  const id = useId();
  const other = { true: 'false', false: 'true' }[usual];
  const field = { id, value, title: description === '' ? typename : `${typename}: ${description}` };
  return (
    <>
      <label htmlFor={id}>
        <code>{name}</code>
      </label>
      {other !== undefined ? (
        <select {...field} onChange={event => onChange(name, event.target.value)}>
          <option value="">{usual}</option>
          <option value={other}>{other}</option>
        </select>
      ) : (
        <input
          {...field}
          placeholder={usual === '' ? typename : usual}
          onChange={event => onChange(name, event.target.value)}
        />
      )}
    </>
  );
}

// What has happened: the last event, and on a click the latest, the newest first, to be searched, each with what helps and the
// line that does it again.
import { type ReactElement, memo, useEffect, useId, useRef, useState } from 'react';

import type { PanelEvent } from '../../protocol';
import { useNotebook } from '../common/context';
import { ChevronIcon } from '../common/icons';
import { useAnnouncer } from '../common/live';
import { MagicLine } from '../common/magicLine';
import { useTranslate } from '../common/useTranslate';

/** Of which events of each group are. */
const GROUPS: Readonly<Record<Group, (event: PanelEvent) => boolean>> = {
  all: () => true,
  workers: ({ kind }) => kind === 'joined' || kind === 'left',
  data: ({ variables }) => variables.length > 0,
  trouble: ({ level }) => level !== 'info'
};
type Group = 'all' | 'workers' | 'data' | 'trouble';

/** What nobody has asked for, and nothing else on the board announces. */
const ANNOUNCED: readonly PanelEvent['kind'][] = ['left', 'waiting'];

interface IEventsProps {
  events: ReadonlyMap<string, PanelEvent>;
}

export const Events = memo(function Events({ events }: IEventsProps): ReactElement {
  const trans = useTranslate();
  const list = useId();
  const [isOpen, setOpen] = useState(false);
  const latest = [...events.values()].reverse();
  const [last] = latest;
  const opener = useRef<HTMLButtonElement>(null);
  const [live, announce] = useAnnouncer('news');
  const told = useRef(events); // what there was before is no news
  const awaited = useRef(new Set<string>()); // variables of which it was announced that they wait
  useEffect(() => {
    const fresh = [...events.values()].filter(({ id }) => !told.current.has(id));
    const news = fresh.filter(({ kind, variables }) => {
      if (kind === 'waiting') {
        variables.forEach(name => awaited.current.add(name));
      }
      const ended = kind === 'placed' && variables.filter(name => awaited.current.delete(name)).length > 0;
      return ended || ANNOUNCED.includes(kind);
    });
    if (news.length > 0) {
      announce(news.map(({ message }) => message).join('; '));
    }
    told.current = events;
  }, [events, announce]);
  return (
    <>
      {live}
      {last === undefined ? null : (
        <section
          className="jp-Moorage-events"
          aria-label={trans.__('Events')}
          onKeyDown={event => {
            if (event.key === 'Escape' && isOpen) {
              event.stopPropagation();
              setOpen(false);
              opener.current?.focus();
            }
          }}
        >
          {isOpen ? <EventList id={list} latest={latest} /> : null}
          <button
            ref={opener}
            type="button"
            className="jp-Moorage-event-last"
            title={last.message}
            aria-expanded={isOpen}
            aria-controls={isOpen ? list : undefined}
            data-moorage-event={last.level}
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? <b>{trans.__('Latest events')}</b> : <EventLine event={last} />}
            <ChevronIcon />
          </button>
        </section>
      )}
    </>
  );
});

function EventList({ id, latest }: { id: string; latest: readonly PanelEvent[] }): ReactElement {
  const trans = useTranslate();
  const notebook = useNotebook();
  const [sought, setSought] = useState('');
  const [group, setGroup] = useState<Group>('all');
  const names: Readonly<Record<Group, string>> = {
    all: trans.__('All'),
    workers: trans.__('Workers'),
    data: trans.__('Data'),
    trouble: trans.__('Trouble')
  };
  const found = latest.filter(event => GROUPS[group](event) && tellsOf(event, sought));
  return (
    <div id={id}>
      <div className="jp-Moorage-event-filter">
        <input
          type="search"
          autoFocus
          value={sought}
          placeholder={trans.__('Filter events')}
          aria-label={trans.__('Filter events')}
          onChange={event => setSought(event.target.value)}
        />
        <select
          value={group}
          aria-label={trans.__('Kind of events')}
          onChange={event => setGroup(event.target.value as Group)}
        >
          {(Object.keys(names) as Group[]).map(one => (
            <option key={one} value={one}>
              {names[one]}
            </option>
          ))}
        </select>
      </div>
      <ul className="jp-Moorage-event-list" aria-label={trans.__('Latest events')} tabIndex={0}>
        {found.map(event => (
          <li key={event.id}>
            <EventLine event={event} />
            {event.remedy === '' ? null : <p className="jp-Moorage-dim">{event.remedy}</p>}
            {notebook?.hasCell(event.cell) === true ? (
              <button type="button" className="jp-Moorage-link" onClick={() => notebook.goToCell(event.cell)}>
                {trans.__('Go to the cell')}
              </button>
            ) : null}
            {event.line === '' ? null : <MagicLine text={event.line} />}
          </li>
        ))}
        {found.length === 0 ? <li className="jp-Moorage-dim">{trans.__('none')}</li> : null}
      </ul>
    </div>
  );
}

function tellsOf({ message, variables, remedy }: PanelEvent, sought: string): boolean {
  const text = [message, remedy, ...variables].join('\n').toLowerCase();
  return text.includes(sought.toLowerCase());
}

function EventLine({ event: { time, level, message } }: { event: PanelEvent }): ReactElement {
  const at = new Date(1000 * time);
  return (
    <span className={`jp-Moorage-event jp-mod-${level}`}>
      <time className="jp-Moorage-dim" dateTime={at.toISOString()}>
        {at.toLocaleTimeString(undefined, { hourCycle: 'h23' })}
      </time>
      <span>{message}</span>
    </span>
  );
}

// What has happened: the last event, which is announced, and on a click the latest, the newest first, to be searched.
import { type ReactElement, memo, useEffect, useId, useRef, useState } from 'react';

import type { PanelEvent } from '../../protocol';
import { ChevronIcon } from '../shared/icons';
import { useTranslate } from '../shared/useTranslate';

interface IEventsProps {
  events: ReadonlyMap<string, PanelEvent>;
  announce(text: string): void;
}

export const Events = memo(function Events({ events, announce }: IEventsProps): ReactElement | null {
  const trans = useTranslate();
  const list = useId();
  const [isOpen, setOpen] = useState(false);
  const latest = [...events.values()].reverse();
  const [last] = latest;
  const opener = useRef<HTMLButtonElement>(null);
  const told = useRef(last?.id); // what there was before is no news
  useEffect(() => {
    if (last !== undefined && last.id !== told.current) {
      announce(last.message);
    }
    told.current = last?.id;
  }, [last, announce]);
  if (last === undefined) {
    return null;
  }
  return (
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
  );
});

function EventList({ id, latest }: { id: string; latest: readonly PanelEvent[] }): ReactElement {
  const trans = useTranslate();
  const [sought, setSought] = useState('');
  const found = latest.filter(({ message }) => message.toLowerCase().includes(sought.toLowerCase()));
  return (
    <div id={id}>
      <input
        type="search"
        className="jp-Moorage-event-filter"
        autoFocus
        value={sought}
        placeholder={trans.__('Filter events')}
        aria-label={trans.__('Filter events')}
        onChange={event => setSought(event.target.value)}
      />
      <ul className="jp-Moorage-event-list" aria-label={trans.__('Latest events')} tabIndex={0}>
        {found.map(event => (
          <li key={event.id}>
            <EventLine event={event} />
          </li>
        ))}
        {found.length === 0 ? <li className="jp-Moorage-dim">{trans.__('none')}</li> : null}
      </ul>
    </div>
  );
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

// What a screen reader is told: at once of what is in the hand and what came of it, and of news when it has said that.
import { type ReactElement, useCallback, useState } from 'react';

/** A text to announce, and the function that sets it. `kind`: of what was done here, or what has happened elsewhere. */
export function useAnnouncer(kind: 'said' | 'news'): [ReactElement, (text: string) => void] {
  const [said, setSaid] = useState({ text: '', times: 0 });
  const announce = useCallback((text: string) => setSaid(({ times }) => ({ text, times: times + 1 })), []);
  const region = (
    <div
      className="jp-Moorage-hidden"
      role="status"
      aria-live={kind === 'said' ? 'assertive' : 'polite'}
      aria-atomic="true"
      {...{ [`data-moorage-${kind}`]: '' }}
    >
      {/* a new element each time, so that the same text is read out again */}
      <span key={said.times}>{said.text}</span>
    </div>
  );
  return [region, announce];
}

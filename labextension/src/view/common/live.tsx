// What a screen reader is told while something is in the hand, and of what came of it.
import { type ReactElement, useCallback, useState } from 'react';

/** A text to announce, and the function that sets it. */
export function useAnnouncer(): [ReactElement, (text: string) => void] {
  const [said, setSaid] = useState({ text: '', times: 0 });
  const announce = useCallback((text: string) => setSaid(({ times }) => ({ text, times: times + 1 })), []);
  const region = (
    <div
      className="jp-Moorage-hidden"
      role="status"
      aria-live="assertive"
      aria-atomic="true"
      data-moorage-said=""
    >
      {/* a new element each time, so that the same text is read out again */}
      <span key={said.times}>{said.text}</span>
    </div>
  );
  return [region, announce];
}

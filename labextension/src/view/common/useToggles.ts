// Which of many things are open.
import { useCallback, useState } from 'react';

/** The names of what has been toggled on, and a function that toggles one. */
export function useToggles(): [ReadonlySet<string>, (name: string) => void] {
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback((name: string) => {
    setToggled(before => {
      const after = new Set(before);
      if (!after.delete(name)) {
        after.add(name);
      }
      return after;
    });
  }, []);
  return [toggled, toggle];
}

// A form that Escape closes.
import type { KeyboardEvent } from 'react';

import type { IBoardActions } from '../../store/actions';

export function closeOnEscape(event: KeyboardEvent, actions: IBoardActions): void {
  if (event.key === 'Escape') {
    event.stopPropagation();
    actions.open(null);
  }
}

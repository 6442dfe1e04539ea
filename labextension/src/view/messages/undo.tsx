// Taking back what was done last: a button beside its magic, and Ctrl+Z wherever the focus is on the board.
import type { KeyboardEvent, ReactElement } from 'react';

import type { IBoardActions } from '../../store/actions';
import type { IBoardState } from '../../store/state';
import { IconButton } from '../common/elements';
import { UndoIcon } from '../common/icons';
import { useTranslate } from '../common/useTranslate';

interface IUndoProps {
  state: IBoardState;
  actions: Pick<IBoardActions, 'undo'>;
}

export function UndoButton({ state, actions }: IUndoProps): ReactElement | null {
  const trans = useTranslate();
  return state.undoable === '' || state.readOnly ? null : (
    <IconButton
      label={trans.__('Undo')}
      title={trans.__('Undo: %1 (Ctrl+Z)', state.undoable)}
      onClick={() => actions.undo()}
    >
      <UndoIcon />
    </IconButton>
  );
}

/** Take back what was done last, if these keys ask for it. */
export function undoByKey(event: KeyboardEvent, { state, actions }: IUndoProps): void {
  const isUndo =
    event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
  if (isUndo && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would undo in the notebook
    if (state.undoable !== '' && !state.readOnly) {
      actions.undo();
    }
  }
}

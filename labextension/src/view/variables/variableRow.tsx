// A variable in the list: what it is, how large, where it is and in which state. It can be taken up.
import {
  type KeyboardEvent,
  type MouseEvent,
  type ReactElement,
  type ReactNode,
  memo,
  useContext
} from 'react';

import type { PanelCandidate } from '../../protocol';
import type { IBoardState, IVariable } from '../../store/state';
import { Cells } from './cells';
import { colorStyle } from '../common/colorStyle';
import { CarriedContext, isCarried } from '../common/context';
import { Name, Owner } from '../common/elements';
import { MoreIcon } from '../common/icons';
import { openContextMenu } from '../menus/menu';
import { type IOpenable, Opener, toggledByKey } from '../common/opener';
import { type Select, howOf } from './selection';
import { useTranslate } from '../common/useTranslate';
import { formatBytes, plainName, sizeWords, stateWords } from '../common/words';

interface IRowProps {
  isSelected: boolean;
  disabled: boolean;
  onSelect(name: string, how: Select): void;
}

interface IVariableRowProps extends IRowProps, IOpenable {
  /** Placed, or only the notebook's: of one component, so that its element stays when that changes. */
  row: IVariable | PanelCandidate;
  /** Bytes of it on all workers. */
  total: number;
  color: number | undefined;
  /** For the progress of a move. */
  moves: IBoardState['moves'];
  /** Names of the workers, in order; empty when there are too many to show. */
  workers: readonly string[];
  workerCount: number;
  /** The user has just asked for something else, and the kernel has not answered yet. */
  isAsked: boolean;
}

export const VariableRow = memo(function VariableRow(props: IVariableRowProps): ReactElement {
  const trans = useTranslate();
  const { row } = props;
  const shared = { ...props, name: row.name, nbytes: row.nbytes };
  return 'held' in row ? (
    <Row {...shared} sizeTitle={sizeWords(trans, row, props.total)} state={row.state} opening={props}>
      <Placed {...props} variable={row} />
    </Row>
  ) : (
    <Row {...shared} state="unplaced">
      <Unplaced candidate={row} isAsked={props.isAsked} />
    </Row>
  );
});

type IPlacedProps = Pick<IVariableRowProps, 'moves' | 'workers' | 'workerCount' | 'isAsked'> & {
  variable: IVariable;
};

function Placed({ variable, moves, workers, workerCount, isAsked }: IPlacedProps): ReactElement {
  const trans = useTranslate();
  const words = stateWords(trans, moves, variable);
  return (
    <>
      <span className="jp-Moorage-variable-head">
        <Name name={plainName(variable)} />{' '}
        <small className="jp-Moorage-dim" title={typeOf(variable)}>
          {typeOf(variable)}
        </small>
        {variable.stale ? (
          <span
            className="jp-Moorage-badge jp-mod-warning"
            title={trans.__(
              'The notebook’s value has changed since it was placed. Place it again to send the new one.'
            )}
          >
            {trans.__('changed')}
          </span>
        ) : null}
        <Owner owner={variable.owner} title={trans.__('Placed by %1', variable.owner)} />
      </span>{' '}
      <span className="jp-Moorage-variable-where">
        <Cells variable={variable} workers={workers} total={workerCount} />
        <span className={`jp-Moorage-state jp-mod-${isAsked ? 'asked' : variable.state}`} title={words}>
          {isAsked ? trans.__('asking…') : words}
        </span>{' '}
      </span>
    </>
  );
}

function Unplaced({ candidate, isAsked }: { candidate: PanelCandidate; isAsked: boolean }): ReactElement {
  const trans = useTranslate();
  const type = typeOf(candidate);
  return (
    <span className="jp-Moorage-variable-head">
      <Name name={candidate.name} />{' '}
      <small className={`jp-Moorage-state${isAsked ? ' jp-mod-asked' : ''}`} title={type}>
        {isAsked ? trans.__('asking…') : type}
      </small>
    </span>
  );
}

function typeOf({ typename, detail }: IVariable | PanelCandidate): string {
  return [typename, detail].join(' ').trim();
}

interface IRowFrameProps extends IRowProps {
  name: string;
  nbytes: number;
  /** More about the size. */
  sizeTitle?: string;
  color: number | undefined;
  state: string;
  opening?: IOpenable;
  children: ReactNode;
}

function Row(props: IRowFrameProps): ReactElement {
  const { name, nbytes, sizeTitle, color, state, opening, children, isSelected, disabled, onSelect } = props;
  const trans = useTranslate();
  const carried = useContext(CarriedContext);
  const select = (event: KeyboardEvent | MouseEvent): void => onSelect(name, howOf(event));
  // Enter and the space bar alone take it up.
  const onKeyDown = (event: KeyboardEvent): void => {
    if (opening !== undefined && toggledByKey(event, name, opening)) {
      return;
    }
    const withModifier = event.shiftKey || event.ctrlKey || event.metaKey;
    if (withModifier && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      event.stopPropagation();
      select(event);
    }
  };
  return (
    <li
      className={`jp-Moorage-variable${isSelected ? ' jp-mod-selected' : ''}${isCarried(carried, name, null) ? ' jp-mod-carried' : ''}`}
      style={colorStyle(color)}
      data-moorage-variable={name}
      data-moorage-state={state}
    >
      <div
        className="jp-Moorage-variable-grip"
        role="button"
        tabIndex={-1}
        data-roving={name}
        aria-pressed={isSelected}
        aria-disabled={disabled}
        aria-expanded={opening?.isOpen ?? undefined}
        aria-roledescription={trans.__('draggable variable')}
        onClick={select}
        onKeyDown={onKeyDown}
      >
        <i className="jp-Moorage-swatch" />
        {children}{' '}
        <span className="jp-Moorage-dim jp-Moorage-size" title={sizeTitle}>
          {formatBytes(nbytes)}
        </span>
      </div>
      {opening === undefined ? null : (
        <Opener name={name} isOpen={opening.isOpen} onToggle={opening.onToggle} />
      )}
      <button
        type="button"
        className="jp-Moorage-more"
        tabIndex={-1}
        title={trans.__('Actions for %1', name)}
        aria-label={trans.__('Actions for %1', name)}
        onClick={openContextMenu}
      >
        <MoreIcon />
      </button>
    </li>
  );
}

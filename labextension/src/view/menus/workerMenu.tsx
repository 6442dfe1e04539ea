// What the menu of a worker offers: to pin what is selected there, to let go of what is pinned to it (of the
// selection, if there is one), to restart its process, and its log.
import * as Menu from '@radix-ui/react-context-menu';
import type { ReactElement } from 'react';

import type { PanelWhyArgs } from '../../protocol';
import type { ICarried, Target } from '../../store/gestures';
import type { IBoardState } from '../../store/state';
import { GestureItem } from './gestureItem';
import { useTranslate } from '../common/useTranslate';
import { variableNames } from '../common/words';

interface IWorkerItemsProps {
  worker: string;
  state: IBoardState;
  selection: ReadonlySet<string>;
  perform(carried: ICarried, target: Target): void;
  explain(about: PanelWhyArgs): void;
  restart(worker: string): void;
}

export function WorkerItems(props: IWorkerItemsProps): ReactElement {
  const { worker, state, selection, perform, explain, restart } = props;
  const trans = useTranslate();
  const selected = [...selection];
  const pinned = pinnedTo(state, worker).filter(name => selected.length === 0 || selection.has(name));
  return (
    <>
      <GestureItem
        name="pin-here"
        label={
          selected.length === 0
            ? trans.__('Pin the selection here')
            : trans.__('Pin %1 here', variableNames(trans, selected))
        }
        state={state}
        carried={{ names: selected, from: null, move: false }}
        target={{ kind: 'worker', worker }}
        perform={perform}
      />
      <GestureItem
        name="let-go"
        label={
          pinned.length === 0
            ? trans.__('Let go of what is pinned here')
            : trans.__('Let go of %1 here', variableNames(trans, pinned))
        }
        state={state}
        carried={{ names: pinned, from: worker, move: false }}
        target={{ kind: 'release' }}
        perform={perform}
      />
      <Menu.Separator className="jp-Moorage-menu-line" />
      <Menu.Item
        className="jp-Moorage-menu-item"
        disabled={state.readOnly}
        data-moorage-menu="restart"
        onSelect={() => restart(worker)}
      >
        <span>{trans.__('Restart…')}</span>
      </Menu.Item>
      <Menu.Item
        className="jp-Moorage-menu-item"
        data-moorage-menu="log"
        onSelect={() => explain({ kind: 'log', name: worker })}
      >
        <span>{trans.__('Show its log')}</span>
      </Menu.Item>
    </>
  );
}

// What is on a worker because it was pinned there: all else would be let go of everywhere.
function pinnedTo({ variables }: IBoardState, worker: string): readonly string[] {
  return [...variables.values()]
    .filter(
      ({ placement }) =>
        placement.kind === 'workers' &&
        placement.each !== false &&
        placement.workers?.includes(worker) === true
    )
    .map(({ name }) => name);
}

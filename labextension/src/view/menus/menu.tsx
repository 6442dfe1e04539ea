// The context menu of a variable, wherever it is shown: the same acts as by dragging; and of whatever one can ask why it is
// as it is.
import * as Menu from '@radix-ui/react-context-menu';
import { type MouseEvent, type ReactElement, type ReactNode, useContext, useState } from 'react';

import type { PanelWhyArgs } from '../../protocol';
import { type ICarried, type Target, targetId } from '../../store/gestures';
import { gatherMagic, whyMagic } from '../../store/magic';
import { shortName } from '../../store/names';
import type { IBoardState } from '../../store/state';
import { canBeSpread } from '../../store/unplaced';
import { CarriedContext, GrabsContext, useNotebook } from '../common/context';
import { type ICargo, together, variableAt } from '../hand/draggable';
import { GestureItem } from './gestureItem';
import { ChevronIcon } from '../common/icons';
import { subjectAt } from './subject';
import { LayerContext } from '../common/tree';
import { type ITranslate, useTranslate } from '../common/useTranslate';
import { WorkerItems } from './workerMenu';
import { targetWords, variableNames } from '../common/words';

/** Workers that a submenu lists. */
const MAX_LISTED = 24;

interface IMenuProps {
  state: IBoardState;
  selection: ReadonlySet<string>;
  perform(carried: ICarried, target: Target): void;
  explain(about: PanelWhyArgs): void;
  /** Begin a worker's process anew, after a question. */
  restart(worker: string): void;
  children: ReactNode;
}

interface IVariables extends ICargo {
  readonly from: string | null;
}

interface IOpened {
  readonly about: PanelWhyArgs;
  /** What can be placed there. */
  readonly variables: IVariables | null;
}

/** Gives `children` the menu: on whatever names a variable, something else on the cluster, or a worker. */
export function BoardMenu(props: IMenuProps): ReactElement {
  const { selection, children } = props;
  const trans = useTranslate();
  const [opened, setOpened] = useState<IOpened | null>(null);
  const isCarrying = useContext(CarriedContext) !== null;
  const grabs = useContext(GrabsContext);
  const layer = useContext(LayerContext);
  const onContextMenu = (event: MouseEvent<HTMLElement>): void => {
    if (isCarrying) {
      event.preventDefault(); // a long press has picked something up, which is all that it does
      event.stopPropagation();
      return;
    }
    const element = event.target as Element;
    const about = subjectAt(element);
    const found = variableAt(element);
    const variables = found === null ? null : { ...together(found, selection, grabs), from: found.from };
    setOpened(about === null ? null : { about, variables });
    if (about === null) {
      // The browser's own menu, as for a text to be copied.
      event.stopPropagation();
    }
  };
  return (
    <Menu.Root modal={false}>
      <div
        className="jp-Moorage-frame"
        onContextMenuCapture={onContextMenu}
        // JupyterLab listens on the document, and would open a menu of its own.
        onContextMenu={event => event.nativeEvent.stopPropagation()}
      >
        <Menu.Trigger asChild disabled={isCarrying}>
          <div className="jp-Moorage-frame">{children}</div>
        </Menu.Trigger>
      </div>
      <Menu.Portal container={layer}>
        {opened === null ? null : (
          <Menu.Content
            className="jp-Moorage-menu jp-Moorage-theme"
            // At the edge of the window the menu opens under the pointer, and letting go of the right button is no choice.
            onPointerUpCapture={event => {
              if (event.button !== 0) {
                event.stopPropagation();
              }
            }}
          >
            <Menu.Label className="jp-Moorage-menu-label">
              {variableNames(trans, opened.variables?.names ?? [shortName(opened.about.name)])}
            </Menu.Label>
            {opened.variables === null ? null : <PlaceItems {...props} opened={opened.variables} />}
            {opened.about.kind === 'worker' ? <WorkerItems {...props} worker={opened.about.name} /> : null}
            <WhyItem {...props} about={opened.about} />
          </Menu.Content>
        )}
      </Menu.Portal>
    </Menu.Root>
  );
}

function WhyItem({ about, explain }: Pick<IMenuProps, 'explain'> & { about: PanelWhyArgs }): ReactElement {
  const trans = useTranslate();
  return (
    <Menu.Item className="jp-Moorage-menu-item" data-moorage-menu="why" onSelect={() => explain(about)}>
      <span>{trans.__('Why is it like this?')}</span>
      <small>{whyMagic(about.name)}</small>
    </Menu.Item>
  );
}

function PlaceItems({
  opened,
  state,
  perform
}: Pick<IMenuProps, 'state' | 'perform'> & { opened: IVariables }): ReactElement {
  const trans = useTranslate();
  const { names, from } = opened;
  const gather = gatherMagic(names);
  const notebook = useNotebook();
  const isPlaced = names.some(name => state.variables.has(name));
  const item = (target: Target, move: boolean, label = targetWords(trans, target)): ReactElement => {
    return (
      <GestureItem
        key={targetId(target)}
        label={label}
        state={state}
        carried={{ ...opened, move }}
        target={target}
        perform={perform}
      />
    );
  };
  return (
    <>
      {item({ kind: 'all-workers' }, false, trans.__('Place on all workers'))}
      {state.hosts.length > 1 ? item({ kind: 'one-per-host' }, false, trans.__('Place one per host')) : null}
      {names.some(name => canBeSpread(state, name))
        ? item({ kind: 'spread' }, false, trans.__('Spread over the workers'))
        : null}
      <Submenu label={from === null ? trans.__('Pin to') : trans.__('Move to')}>
        {workerItems(state, target => item(target, from !== null), trans)}
      </Submenu>
      {isPlaced && from === null ? (
        <Submenu label={trans.__('Move to')}>
          {workerItems(state, target => item(target, true), trans)}
        </Submenu>
      ) : null}
      {item({ kind: 'release' }, false)}
      <Menu.Separator className="jp-Moorage-menu-line" />
      <Menu.Item
        className="jp-Moorage-menu-item"
        disabled={notebook === null || gather === null || !isPlaced}
        data-moorage-menu="gather"
        onSelect={() => notebook?.insertCell(gather ?? '')}
      >
        <span>{trans.__('Gather into the notebook')}</span>
        <small>{gather}</small>
      </Menu.Item>
    </>
  );
}

function Submenu({ label, children }: { label: string; children: ReactNode }): ReactElement {
  const layer = useContext(LayerContext);
  return (
    <Menu.Sub>
      <Menu.SubTrigger className="jp-Moorage-menu-item">
        <span>{label}</span>
        <ChevronIcon />
      </Menu.SubTrigger>
      <Menu.Portal container={layer}>
        <Menu.SubContent className="jp-Moorage-menu jp-Moorage-theme">{children}</Menu.SubContent>
      </Menu.Portal>
    </Menu.Sub>
  );
}

function workerItems(
  state: IBoardState,
  item: (target: Target) => ReactElement,
  trans: ITranslate
): ReactElement | ReactElement[] {
  const targets = state.hosts.flatMap(({ host, workers }): Target[] => [
    ...(state.hosts.length > 1 ? [{ kind: 'host', host } as const] : []),
    ...workers.map(worker => ({ kind: 'worker', worker }) as const)
  ]);
  if (targets.length === 0) {
    return <Menu.Label className="jp-Moorage-menu-label">{trans.__('no workers yet')}</Menu.Label>;
  }
  const rest = targets.length - MAX_LISTED;
  return [
    ...targets.slice(0, MAX_LISTED).map(item),
    ...(rest > 0
      ? [
          <Menu.Label key="rest" className="jp-Moorage-menu-label">
            {trans.__('and %1 more: drag, or use the keyboard', rest)}
          </Menu.Label>
        ]
      : [])
  ];
}

/** Open the same menu as with the right mouse button, below the button that was pressed. */
export function openContextMenu(event: MouseEvent<HTMLElement>): void {
  const { left, bottom } = event.currentTarget.getBoundingClientRect();
  event.currentTarget.dispatchEvent(
    new window.MouseEvent('contextmenu', { bubbles: true, cancelable: true, clientX: left, clientY: bottom })
  );
}

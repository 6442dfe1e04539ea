// The context menu of a variable, wherever it is shown: the same acts as by dragging.
import * as Menu from '@radix-ui/react-context-menu';
import { type MouseEvent, type ReactElement, type ReactNode, useState } from 'react';

import { type ICarried, type Target, targetId } from '../store/gestures';
import { gatherMagic } from '../store/magic';
import { preview } from '../store/preview';
import type { IBoardState } from '../store/state';
import { useNotebook } from './context';
import { together, variableAt } from './draggable';
import { ChevronIcon } from './icons';
import { type ITranslate, useTranslate } from './useTranslate';
import { previewWords, targetWords, variableNames } from './words';

/** Workers that a submenu lists. */
const MAX_LISTED = 24;

interface IMenuProps {
  state: IBoardState;
  selection: ReadonlySet<string>;
  perform(carried: ICarried, target: Target): void;
  children: ReactNode;
}

interface IOpened {
  readonly names: readonly string[];
  readonly from: string | null;
}

/** Gives `children` the menu: on whatever names a variable. */
export function VariableMenu({ state, selection, perform, children }: IMenuProps): ReactElement {
  const [opened, setOpened] = useState<IOpened | null>(null);
  const onContextMenu = (event: MouseEvent<HTMLElement>): void => {
    const found = variableAt(event.target as Element);
    setOpened(found === null ? null : { names: together(found, selection), from: found.from });
    if (found === null) {
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
        <Menu.Trigger asChild>
          <div className="jp-Moorage-frame">{children}</div>
        </Menu.Trigger>
      </div>
      <Menu.Portal>
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
            <Items opened={opened} state={state} perform={perform} />
          </Menu.Content>
        )}
      </Menu.Portal>
    </Menu.Root>
  );
}

function Items({
  opened,
  state,
  perform
}: Pick<IMenuProps, 'state' | 'perform'> & { opened: IOpened }): ReactElement {
  const trans = useTranslate();
  const { names, from } = opened;
  const gather = gatherMagic(names);
  const notebook = useNotebook();
  const isPlaced = names.some(name => state.variables.has(name));
  const item = (target: Target, move: boolean, label = targetWords(trans, target)): ReactElement => {
    const carried = { names, from, move };
    const result = preview(state, carried, target);
    return (
      <Menu.Item
        key={targetId(target)}
        className="jp-Moorage-menu-item"
        disabled={result.refusal !== null}
        data-moorage-menu={targetId(target)}
        onSelect={() => perform(carried, target)}
      >
        <span>{label}</span>
        <small>{previewWords(trans, state, carried, target, result)}</small>
      </Menu.Item>
    );
  };
  return (
    <>
      <Menu.Label className="jp-Moorage-menu-label">{variableNames(trans, names)}</Menu.Label>
      {item({ kind: 'all-workers' }, false, trans.__('Place on all workers'))}
      {item({ kind: 'one-per-host' }, false, trans.__('Place one per host'))}
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
        onSelect={() => notebook?.insertCell(gather ?? '')}
      >
        <span>{trans.__('Gather into the notebook')}</span>
        <small>{gather}</small>
      </Menu.Item>
    </>
  );
}

function Submenu({ label, children }: { label: string; children: ReactNode }): ReactElement {
  return (
    <Menu.Sub>
      <Menu.SubTrigger className="jp-Moorage-menu-item">
        <span>{label}</span>
        <ChevronIcon />
      </Menu.SubTrigger>
      <Menu.Portal>
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

// An item of a menu that does what a drop would do, and says what that is.
import * as Menu from '@radix-ui/react-context-menu';
import type { ReactElement } from 'react';

import { type ICarried, type Target, targetId } from '../../store/gestures';
import { preview } from '../../store/preview';
import type { IBoardState } from '../../store/state';
import { useTranslate } from '../common/useTranslate';
import { previewWords } from '../common/words';

interface IGestureItemProps {
  /** What tests find it by; by default the target. */
  name?: string;
  label: string;
  state: IBoardState;
  /** Of no variables: there is nothing to do. */
  carried: ICarried;
  target: Target;
  perform(carried: ICarried, target: Target): void;
}

export function GestureItem(props: IGestureItemProps): ReactElement {
  const { name, label, state, carried, target, perform } = props;
  const trans = useTranslate();
  const result = carried.names.length === 0 ? null : preview(state, carried, target);
  return (
    <Menu.Item
      className="jp-Moorage-menu-item"
      disabled={result === null || result.refusal !== null}
      data-moorage-menu={name ?? targetId(target)}
      onSelect={() => perform(carried, target)}
    >
      <span>{label}</span>
      <small>
        {result === null ? trans.__('nothing') : previewWords(trans, state, carried, target, result)}
      </small>
    </Menu.Item>
  );
}

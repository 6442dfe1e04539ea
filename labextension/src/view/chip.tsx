// A variable on a worker: solid when the worker has confirmed it, dashed while it is on its way.
import { type ReactElement, memo } from 'react';

import type { IHolding } from '../store/holdings';
import { colorStyle } from './colors';
import { useTakeable } from './draggable';
import { useTranslate } from './translate';
import { plainName } from './words';

interface IChipProps {
  holding: IHolding;
  worker: string;
  color: number | undefined;
  /** Nothing can be changed. */
  disabled: boolean;
}

export const Chip = memo(function Chip({ holding, worker, color, disabled }: IChipProps): ReactElement {
  const trans = useTranslate();
  const { variable, held, pending } = holding;
  const { ref, props, isCarried } = useTakeable(variable.name, worker, [variable.name], disabled);
  const part = chipPart(holding);
  const isHeld = held > 0;
  return (
    <span
      ref={ref}
      {...props}
      className={`jp-Moorage-chip${pending > 0 ? ' jp-mod-pending' : ''}${isCarried ? ' jp-mod-carried' : ''}`}
      style={colorStyle(color)}
      role="button"
      tabIndex={-1}
      data-roving={`${worker}:${variable.name}`}
      aria-roledescription={trans.__('draggable copy')}
      aria-disabled={disabled}
      data-moorage-held={isHeld ? variable.name : undefined}
      data-moorage-pending={pending > 0 ? variable.name : undefined}
    >
      <i />
      <span className="jp-Moorage-chip-name">{plainName(variable)}</span>{' '}
      <span className="jp-Moorage-hidden">
        {isHeld ? trans.__('on %1', worker) : trans.__('on its way to %1', worker)}
      </span>
      {part === '' ? null : <small> {part}</small>}
    </span>
  );
});

// Of many keys, how many; while they come, how far.
function chipPart({ variable, held, pending }: IHolding): string {
  if (variable.nkeys === 1) {
    return '';
  }
  return pending > 0 ? `${held}/${held + pending}` : held < variable.nkeys ? String(held) : '';
}

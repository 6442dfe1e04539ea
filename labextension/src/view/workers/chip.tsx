// A variable on a worker: solid when the worker has confirmed it, dashed while it is on its way. There may be hundreds of
// them in sight, so each is few elements, and drawn again only when it looks different.
import { type ReactElement, memo } from 'react';

import { shortName } from '../../store/names';
import { colorStyle } from '../common/colorStyle';
import { useTranslate } from '../common/useTranslate';

interface IChipProps {
  /** Of the variable. */
  name: string;
  /** What is shown of that. */
  label: string;
  worker: string;
  /** Keys that the worker has, still lacks, and there are. */
  held: number;
  pending: number;
  nkeys: number;
  color: number | undefined;
  isCarried: boolean;
  /** Nothing can be changed. */
  disabled: boolean;
}

export const Chip = memo(function Chip(props: IChipProps): ReactElement {
  const { name, label, worker, held, pending, color, isCarried, disabled } = props;
  const trans = useTranslate();
  const part = chipPart(props);
  const shown = shortName(worker);
  return (
    <span
      className={`jp-Moorage-chip${pending > 0 ? ' jp-mod-pending' : ''}${isCarried ? ' jp-mod-carried' : ''}`}
      style={colorStyle(color)}
      role="button"
      tabIndex={-1}
      data-roving={`${worker}:${name}`}
      aria-label={[
        held > 0 ? trans.__('%1 on %2', label, shown) : trans.__('%1 on its way to %2', label, shown),
        part
      ]
        .join(' ')
        .trim()}
      aria-roledescription={trans.__('draggable copy')}
      aria-disabled={disabled}
      data-moorage-held={held > 0 ? name : undefined}
      data-moorage-pending={pending > 0 ? name : undefined}
    >
      <span>{label}</span>
      {part === '' ? null : <small>{part}</small>}
    </span>
  );
});

// Of many keys, how many; while they come, how far.
function chipPart({ nkeys, held, pending }: IChipProps): string {
  if (nkeys === 1) {
    return '';
  }
  return pending > 0 ? `${held}/${held + pending}` : held < nkeys ? String(held) : '';
}

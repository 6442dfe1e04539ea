// The colour of a variable, as a custom property that style/colors.css resolves.
import type { CSSProperties } from 'react';

/** Sets `--jp-moorage-color` on an element; undefined: the colour of what is not placed. */
export function colorStyle(color: number | undefined): CSSProperties {
  const value = color === undefined ? 'var(--jp-moorage-unplaced)' : `var(--jp-moorage-color-${color})`;
  return { '--jp-moorage-color': value } as CSSProperties;
}

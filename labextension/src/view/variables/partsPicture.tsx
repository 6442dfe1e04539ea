// A picture of where the parts of a variable are: a square for each, coloured by worker, as moorage/kernel/parts/picture.py
// draws it. One path for each colour: there may be thousands of squares.
import { type MouseEvent, type ReactElement, memo, useMemo, useState } from 'react';

import type { PanelParts } from '../../protocol';

/** Parts that have been told of so far. */
export type IPartsTable = Omit<PanelParts, 'start'>;

/** Pixels of a square at most. */
const SIDE = 14;
/** Of a square's width, what is drawn. */
const INNER = 0.88;

/** Names of the workers that have a part. */
export function holdersOf({ on, workers }: IPartsTable, index: number): readonly string[] {
  return (on[index] ?? []).flatMap(number => workers[number] ?? []);
}

interface IPictureProps {
  table: IPartsTable;
  /** The same in words. */
  words: string;
}

export const PartsPicture = memo(function PartsPicture({ table, words }: IPictureProps): ReactElement {
  const { columns, total, shape } = table;
  const lines = shape.length > 1 ? shape.slice(0, -1).reduce((all, size) => all * size, 1) : total / columns;
  const rows = Math.max(1, Math.ceil(lines));
  const paths = useMemo(() => pathsOf(table), [table]);
  const atCell = useMemo(() => new Map(table.cells.map((cell, index) => [cell, index])), [table.cells]);
  const [title, setTitle] = useState('');
  const onMouseMove = (event: MouseEvent<SVGSVGElement>): void => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    const column = Math.floor((columns * (event.clientX - left)) / width);
    const row = Math.floor((rows * (event.clientY - top)) / height);
    const index = atCell.get(row * columns + column);
    setTitle(index === undefined ? '' : `${index}: ${holdersOf(table, index).join(', ') || '–'}`);
  };
  return (
    <svg
      className="jp-Moorage-picture"
      viewBox={`0 0 ${columns} ${rows}`}
      style={{ maxWidth: columns * SIDE, aspectRatio: `${columns} / ${rows}` }}
      role="img"
      aria-label={words}
      onMouseMove={onMouseMove}
    >
      <title>{title}</title>
      {[...paths].map(([color, path]) =>
        color === NOWHERE ? (
          <path key={color} className="jp-mod-nowhere" d={path} />
        ) : (
          <path key={color} d={path} fill={color} />
        )
      )}
    </svg>
  );
});

const NOWHERE = '';

function pathsOf({ cells, on, columns, colors }: IPartsTable): ReadonlyMap<string, string> {
  const squares = new Map<string, string[]>();
  cells.forEach((cell, index) => {
    const holders = on[index] ?? [];
    const x = cell % columns;
    const y = Math.floor(cell / columns);
    // The workers that have it share its width.
    const width = INNER / Math.max(1, holders.length);
    (holders.length === 0 ? [-1] : holders).forEach((number, place) => {
      const color = colors[number] ?? NOWHERE;
      const found = squares.get(color) ?? [];
      found.push(`M${round(x + place * width)} ${y}h${round(width)}v${INNER}h${round(-width)}z`);
      squares.set(color, found);
    });
  });
  return new Map([...squares].map(([color, path]) => [color, path.join('')]));
}

function round(value: number): number {
  return Math.round(1000 * value) / 1000;
}

// A picture of where the parts of a variable are: a square for each, coloured by worker, as moorage/kernel/parts/picture.py
// draws it. One path for each colour: there may be thousands of squares. They are selected and taken up as in the list.
import { type MouseEvent, type ReactElement, memo, useMemo, useState } from 'react';

import { shortName } from '../../store/names';
import { type IPartsTable, holdersOf, isTakeable, nameOfPart, positionOf } from '../../store/parts';
import type { IPartSelection } from './partSelection';
import { howOf } from './selection';

/** Pixels of a square at most. */
const SIDE = 14;
/** Of a square's width, what is drawn. */
const INNER = 0.88;

interface IPictureProps {
  table: IPartsTable;
  selection: IPartSelection;
  disabled: boolean;
  /** The same in words. */
  words: string;
}

export const PartsPicture = memo(function PartsPicture(props: IPictureProps): ReactElement {
  const { table, selection, disabled, words } = props;
  const { columns, total, shape } = table;
  const lines = shape.length > 1 ? shape.slice(0, -1).reduce((all, size) => all * size, 1) : total / columns;
  const rows = Math.max(1, Math.ceil(lines));
  const paths = useMemo(() => pathsOf(table), [table]);
  const atCell = useMemo(() => new Map(table.cells.map((cell, index) => [cell, index])), [table.cells]);
  const [pointed, setPointed] = useState<number | undefined>(undefined);
  const indexAt = (event: MouseEvent<SVGSVGElement>): number | undefined => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    const column = Math.floor((columns * (event.clientX - left)) / width);
    const row = Math.floor((rows * (event.clientY - top)) / height);
    return atCell.get(row * columns + column);
  };
  const point = (event: MouseEvent<SVGSVGElement>): void => setPointed(indexAt(event));
  const isNamed = isTakeable(table);
  const isThere = pointed !== undefined && pointed < table.cells.length;
  const outlines = useMemo(() => outlinesOf(table, selection.selected), [table, selection.selected]);
  return (
    <svg
      className="jp-Moorage-picture"
      viewBox={`0 0 ${columns} ${rows}`}
      style={{ maxWidth: columns * SIDE, aspectRatio: `${columns} / ${rows}` }}
      role="img"
      aria-label={words}
      data-moorage-part={isThere && isNamed ? nameOfPart(table, pointed) : undefined}
      data-moorage-explains={isThere && table.errors !== undefined ? nameOfPart(table, pointed) : undefined}
      data-moorage-state={isThere ? table.states[pointed] : undefined}
      aria-disabled={disabled}
      onMouseMove={point}
      onPointerDownCapture={point}
      onClick={event => {
        const index = indexAt(event);
        if (index !== undefined && isNamed) {
          selection.select(index, howOf(event), true);
        }
      }}
    >
      <title>
        {isThere
          ? `${positionOf(table, pointed).join(', ')}: ${holdersOf(table, pointed).map(shortName).join(', ') || '–'}`
          : ''}
      </title>
      {[...paths].map(([color, path]) =>
        color === NOWHERE ? (
          <path key={color} className="jp-mod-nowhere" d={path} />
        ) : (
          <path key={color} d={path} fill={color} />
        )
      )}
      {outlines === '' ? null : <path className="jp-mod-selected" d={outlines} />}
    </svg>
  );
});

const NOWHERE = '';

function outlinesOf({ cells, columns }: IPartsTable, selected: ReadonlySet<number>): string {
  return [...selected]
    .map(index => cells[index] ?? 0)
    .map(cell => `M${cell % columns} ${Math.floor(cell / columns)}h${INNER}v${INNER}h${-INNER}z`)
    .join('');
}

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

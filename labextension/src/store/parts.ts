// Some parts of a collection as something that can be carried: how they are called, how large they are, who has them. Pure.
import type { PanelParts } from '../protocol';

/** Parts that have been told of so far. */
export type IPartsTable = Omit<PanelParts, 'start'>;

/** Parts of one name, such as `ddf[3:7]`. */
export interface IParts {
  readonly nbytes: number;
  /** Worker -> bytes of them that it has. */
  readonly on: ReadonlyMap<string, number>;
}

const IDENTIFIER = /^[\p{ID_Start}_]\p{ID_Continue}*$/u;

/** Whether a line can name parts of it: not of another notebook's variable, nor of what is some parts itself. */
export function hasNamedParts(name: string): boolean {
  return IDENTIFIER.test(name);
}

/** Whether its parts can be taken up by name: items of results and elements of a list cannot. */
export function isTakeable({ name, errors }: IPartsTable): boolean {
  return errors === undefined && hasNamedParts(name);
}

/** Names of the workers that have a part. */
export function holdersOf({ on, workers }: IPartsTable, index: number): readonly string[] {
  return (on[index] ?? []).flatMap(number => workers[number] ?? []);
}

/** The position of a part: of a block of an array, by axis. */
export function positionOf({ shape, cells }: IPartsTable, index: number): readonly number[] {
  let rest = cells[index] ?? 0;
  const at: number[] = [];
  for (const size of [...shape].reverse()) {
    at.unshift(rest % Math.max(1, size));
    rest = Math.floor(rest / Math.max(1, size));
  }
  return at;
}

/** A part as a line names it: `x[0,2]`, or an element, `d['a']`. */
export function nameOfPart(table: IPartsTable, index: number): string {
  return `${table.name}[${table.labels?.[index] ?? positionOf(table, index).join(',')}]`;
}

/** The parts that lie between two: in the rectangle of both, or, of what has one axis or as a list, in their order. */
export function between(table: IPartsTable, from: number, to: number, asGrid: boolean): readonly number[] {
  if (!asGrid || table.shape.length < 2) {
    const first = Math.min(from, to);
    return Array.from({ length: Math.abs(to - from) + 1 }, (_, offset) => first + offset);
  }
  const one = positionOf(table, from);
  const other = positionOf(table, to);
  return [...table.cells.keys()].filter(index =>
    positionOf(table, index).every((at, axis) => (at - (one[axis] ?? 0)) * (at - (other[axis] ?? 0)) <= 0)
  );
}

/** Parts by as few names as there are boxes of them: `x[0:2,1:4]` and `x[5,0]`. */
export function named(table: IPartsTable, indices: Iterable<number>): ReadonlyMap<string, IParts> {
  const left = new Map(
    [...indices].sort((a, b) => a - b).map(index => [positionOf(table, index).join(), index])
  );
  const found = new Map<string, IParts>();
  for (const [position, index] of left) {
    if (!left.has(position)) {
      continue; // it is in a box already
    }
    const box = boxFrom(left, positionOf(table, index));
    const members = cellsOf(box).map(cell => {
      const member = left.get(cell) ?? index;
      left.delete(cell);
      return member;
    });
    const name = box.map(([from, to]) => (to === from + 1 ? String(from) : `${from}:${to}`)).join(',');
    found.set(`${table.name}[${name}]`, together(table, members));
  }
  return found;
}

/** By axis, the first and the one after the last. */
type Box = readonly (readonly [number, number])[];

// The box that grows from a position as far as there are parts: along the last axis first.
function boxFrom(left: ReadonlyMap<string, number>, position: readonly number[]): Box {
  let box: Box = position.map(at => [at, at + 1] as const);
  for (let axis = position.length - 1; axis >= 0; axis--) {
    for (;;) {
      const end = box[axis]?.[1] ?? 0;
      const next = box.map((range, at) => (at === axis ? ([end, end + 1] as const) : range));
      if (!cellsOf(next).every(cell => left.has(cell))) {
        break;
      }
      box = box.map(([from, to], at) => (at === axis ? ([from, to + 1] as const) : ([from, to] as const)));
    }
  }
  return box;
}

function cellsOf(box: Box): readonly string[] {
  return box
    .reduce<readonly (readonly number[])[]>(
      (cells, [from, to]) =>
        cells.flatMap(cell => Array.from({ length: to - from }, (_, offset) => [...cell, from + offset])),
      [[]]
    )
    .map(cell => cell.join());
}

function together(table: IPartsTable, indices: readonly number[]): IParts {
  const on = new Map<string, number>();
  let nbytes = 0;
  for (const index of indices) {
    const size = Math.max(0, table.nbytes[index] ?? 0);
    nbytes += size;
    for (const worker of holdersOf(table, index)) {
      on.set(worker, (on.get(worker) ?? 0) + size);
    }
  }
  return { nbytes, on };
}

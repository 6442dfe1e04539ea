import { describe, expect, it } from 'vitest';

import { type IPartsTable, between, named } from '../../../labextension/src/store/parts';

const table = (name: string, shape: number[]): IPartsTable => {
  const total = shape.reduce((all, size) => all * size, 1);
  const cells = Array.from({ length: total }, (_, cell) => cell);
  return {
    name,
    shape,
    columns: shape[shape.length - 1] ?? 1,
    total,
    nowhere: 0,
    workers: ['alice', 'bob'],
    colors: ['red', 'green'],
    counts: [0, 0],
    sizes: [0, 0],
    cells,
    nbytes: cells.map(() => 10),
    on: cells.map(cell => [cell % 2]),
    states: cells.map(() => 'memory')
  };
};
const names = (of: IPartsTable, indices: number[]): string[] => [...named(of, indices).keys()];

describe('the names of parts', () => {
  it('are runs of partitions', () => {
    const ddf = table('ddf', [12]);
    expect(names(ddf, [6, 3, 4, 5, 9])).toEqual(['ddf[3:7]', 'ddf[9]']);
    expect(named(ddf, [3, 4, 5]).get('ddf[3:6]')).toEqual({
      nbytes: 30,
      on: new Map([
        ['bob', 20],
        ['alice', 10]
      ])
    });
  });

  it('are boxes of blocks, which together are what was selected', () => {
    const x = table('x', [4, 5]);
    expect(names(x, [6, 7, 11, 12])).toEqual(['x[1:3,1:3]']);
    expect(names(x, [0, 1, 5])).toEqual(['x[0,0:2]', 'x[1,0]']);
    expect(names(table('y', [2, 2, 2]), [0, 1, 2, 3, 4, 5, 6, 7])).toEqual(['y[0:2,0:2,0:2]']);
  });

  it('are of all between two, in their order or in the rectangle', () => {
    const x = table('x', [4, 5]);
    expect(between(x, 12, 6, true)).toEqual([6, 7, 11, 12]);
    expect(between(x, 12, 6, false)).toEqual([6, 7, 8, 9, 10, 11, 12]);
    expect(between(x, 8, 11, true)).toEqual([6, 7, 8, 11, 12, 13]);
  });
});

import { describe, expect, it } from 'vitest';

import { placeBeside } from '../../../labextension/src/view/hand/inHand';

const WINDOW = { width: 1000, height: 600 };
const LABEL = { width: 150, height: 30 };
const box = (left: number, top: number, width: number, height: number): DOMRect =>
  ({ left, top, right: left + width, bottom: top + height }) as DOMRect;

describe('what hangs at the pointer', () => {
  it('is below it and within the window, over no target', () => {
    expect(placeBeside({ x: 100, y: 100 }, LABEL, null, WINDOW)).toEqual({ x: 112, y: 112 });
    expect(placeBeside({ x: 980, y: 590 }, LABEL, null, WINDOW)).toEqual({ x: 838, y: 548 });
  });

  it('is to the left of a target, at the height of the pointer', () => {
    expect(placeBeside({ x: 800, y: 300 }, LABEL, box(700, 280, 300, 80), WINDOW)).toEqual({
      x: 538,
      y: 285
    });
  });

  it('is to the right where there is no room on the left', () => {
    expect(placeBeside({ x: 100, y: 5 }, LABEL, box(0, 0, 300, 80), WINDOW)).toEqual({ x: 312, y: 0 });
  });

  it('is below a target as wide as the window, and above the last one', () => {
    expect(placeBeside({ x: 100, y: 300 }, LABEL, box(0, 280, 1000, 80), WINDOW)).toEqual({ x: 112, y: 372 });
    expect(placeBeside({ x: 100, y: 580 }, LABEL, box(0, 520, 1000, 80), WINDOW)).toEqual({ x: 112, y: 478 });
  });
});

// One colour for each variable: the same in the list, in the memory bars and on the chips.
//
// A name asks for the colour of its hash, so that it mostly has the same one after a reload; where another variable has
// that already, it takes the next that is free. Once given, a colour stays as long as the variable.

/** Number of colours in style/colors.css. */
export const COLORS = 10;

/** Variable -> index of its colour; those that had one keep it. */
export function assignColors(
  names: readonly string[],
  before: ReadonlyMap<string, number>
): ReadonlyMap<string, number> {
  const colors = new Map<string, number>();
  const uses = new Array<number>(COLORS).fill(0);
  const give = (name: string, color: number): void => {
    colors.set(name, color);
    uses[color] = (uses[color] ?? 0) + 1;
  };
  for (const name of names) {
    const color = before.get(name);
    if (color !== undefined) {
      give(name, color);
    }
  }
  for (const name of names) {
    if (!colors.has(name)) {
      give(name, leastUsed(uses, hash(name) % COLORS));
    }
  }
  return colors;
}

function leastUsed(uses: readonly number[], first: number): number {
  const fewest = Math.min(...uses);
  for (let step = 0; step < COLORS; step++) {
    const color = (first + step) % COLORS;
    if (uses[color] === fewest) {
      return color;
    }
  }
  return first;
}

// FNV-1a
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value;
}

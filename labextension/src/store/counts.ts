// How many keys of a variable are on each worker: what the rest of the workers have, and who differs; see moorage/counts.py.
// A value that never changes, of which altered copies are cheap: a copy shares what it has in common with the original and
// keeps its differences beside it. So one more copy of 1,000 variables on 10,000 workers is 1,000 small steps.
import type { CountsChange, CountsDict } from '../protocol';

/** Differences that are kept beside the map before the two are merged. */
const MAX_PATCH = 48;

type Entries = ReadonlyMap<string, number>;

/** The names of the workers. */
export type Roster = ReadonlySet<string>;

const EMPTY: Entries = new Map();
const NOBODY: Roster = new Set();

export class Counts {
  static readonly none = new Counts(NOBODY, 0, EMPTY, EMPTY, 0, 0);

  /** `roster`: of whom `rest` speaks. */
  static of({ rest, others }: CountsDict, roster: Roster): Counts {
    const all = new Counts(roster, rest, EMPTY, EMPTY, rest > 0 ? roster.size : 0, rest * roster.size);
    return all._with(Object.entries(others));
  }

  private constructor(
    private readonly _roster: Roster,
    /** Number of keys on each worker that is not named. */
    readonly rest: number,
    private readonly _base: Entries,
    /** Differs from the base. */
    private readonly _patch: Entries,
    /** Number of workers. */
    readonly size: number,
    /** Number of keys on all of them. */
    readonly total: number
  ) {}

  /** Keys on `worker`. */
  get(worker: string): number {
    return this._patch.get(worker) ?? this._base.get(worker) ?? this._restOf(worker);
  }

  has(worker: string): boolean {
    return this.get(worker) > 0;
  }

  /** Names of the workers. */
  *workers(): IterableIterator<string> {
    if (this.rest > 0) {
      for (const worker of this._roster) {
        if (this.has(worker)) {
          yield worker;
        }
      }
    }
    for (const worker of this.named()) {
      if (this.has(worker) && !(this.rest > 0 && this._roster.has(worker))) {
        yield worker;
      }
    }
  }

  /** Number of workers that `other` counts too. */
  overlap(other: Counts): number {
    if (this.size === 0 || other.size === 0) {
      return 0;
    }
    const isCommon = (worker: string): boolean => this.has(worker) && other.has(worker);
    if (this.rest === 0 || other.rest === 0) {
      const few = this.rest === 0 ? this : other;
      return [...few.workers()].filter(isCommon).length;
    }
    const named = [...new Set([...this.named(), ...other.named()])];
    const alike = this._roster.size - named.filter(worker => this._roster.has(worker)).length;
    return alike + named.filter(isCommon).length;
  }

  /** A copy after a change that the kernel has told. */
  after(change: CountsChange, roster: Roster): Counts {
    return change.rest === undefined
      ? this._with(Object.entries(change.others))
      : Counts.of({ rest: change.rest, others: change.others }, roster);
  }

  /** A copy for other workers: who has come has none of what the rest have. */
  among(roster: Roster, come: readonly string[], gone: readonly string[]): Counts {
    // Those who have come are named, before the rest would speak of them.
    const named = this.rest > 0 ? [...gone, ...come] : gone.filter(worker => this.has(worker));
    if (named.length === 0) {
      return this;
    }
    let { size, total } = this;
    const patch = new Map(this._patch);
    for (const worker of named) {
      const count = this.get(worker);
      patch.set(worker, 0);
      total -= count;
      size -= Number(count > 0);
    }
    return this._patched(patch, size, total, roster);
  }

  private _restOf(worker: string, roster = this._roster): number {
    return this.rest > 0 && roster.has(worker) ? this.rest : 0;
  }

  /** Names of those that may have another number than the rest. */
  *named(): IterableIterator<string> {
    yield* this._base.keys();
    for (const worker of this._patch.keys()) {
      if (!this._base.has(worker)) {
        yield worker;
      }
    }
  }

  private _with(changes: Iterable<readonly [string, number]>): Counts {
    let { size, total } = this;
    let patch: Map<string, number> | null = null;
    for (const [worker, count] of changes) {
      const before = patch?.get(worker) ?? this.get(worker);
      if (count !== before) {
        patch ??= new Map(this._patch);
        patch.set(worker, count);
        total += count - before;
        size += Number(count > 0) - Number(before > 0);
      }
    }
    return patch === null ? this : this._patched(patch, size, total, this._roster);
  }

  // A copy with other differences, which are merged into the base when they are many.
  private _patched(patch: Entries, size: number, total: number, roster: Roster): Counts {
    const { rest, _base } = this;
    if (patch.size <= MAX_PATCH) {
      return new Counts(roster, rest, _base, patch, size, total);
    }
    const merged = new Map(_base);
    for (const [worker, count] of patch) {
      if (count === this._restOf(worker, roster)) {
        merged.delete(worker);
      } else {
        merged.set(worker, count);
      }
    }
    return new Counts(roster, rest, merged, EMPTY, size, total);
  }
}

import type { CoverWindow } from '../range-tombstones/cover-window.ts';
import type { TableReader } from './table-reader.ts';
import { firstTableEndingAtOrAbove } from './table-search.ts';

/**
 * The tables of a super-version that have range tombstones. Nearly every super-version has none. Versions decide what
 * they hide, so it does not matter in which level one is: what lies above it is newer, unless it was refused as stale.
 */
export class RangedTables {
  /** Those that may overlap. */
  readonly #single: readonly TableReader[];
  /** By level, those of it, in key order and disjoint. */
  readonly #levels: readonly (readonly TableReader[])[];

  private constructor(single: readonly TableReader[], levels: readonly (readonly TableReader[])[]) {
    this.#single = single;
    this.#levels = levels;
  }

  /** Null: no table has any. */
  static among(
    levels: readonly (readonly TableReader[])[],
    quarantine: readonly TableReader[],
  ): RangedTables | null {
    const single = [...(levels[0] ?? []), ...quarantine].filter(hasRanges);
    const lower = levels
      .slice(1)
      .map((tables) => tables.filter(hasRanges))
      .filter((tables) => tables.length > 0);
    return single.length + lower.length === 0 ? null : new RangedTables(single, lower);
  }

  /** The newest range tombstone that hides the key, by its timestamp; 0: none does. */
  coverOf(key: Uint8Array, start: number, end: number): number {
    let cover = 0;
    for (const { ranges } of this.#single) cover = Math.max(cover, ranges.coverOf(key, start, end));
    for (const tables of this.#levels) {
      const index = firstTableEndingAtOrAbove(tables, key, start, end);
      if (index < tables.length) cover = Math.max(cover, tables[index].ranges.coverOf(key, start, end));
    }
    return cover;
  }

  /** Adds what they say of a key to its window. */
  narrow(window: CoverWindow, key: Uint8Array, start: number, end: number): void {
    for (const { ranges } of this.#single) window.narrow(ranges, key, start, end);
    for (const tables of this.#levels) {
      const index = firstTableEndingAtOrAbove(tables, key, start, end);
      // The window ends where the next range tombstone begins, and begins where the one before ends: these may be a
      // neighbour's. Every table here has one at least.
      if (index > 0) window.narrow(tables[index - 1].ranges, key, start, end);
      for (let at = index; at < tables.length; at++) {
        const { ranges } = tables[at];
        window.narrow(ranges, key, start, end);
        if (ranges.firstEndingAbove(key, start, end) < ranges.count) break;
      }
    }
  }
}

function hasRanges({ ranges }: TableReader): boolean {
  return ranges.count > 0;
}

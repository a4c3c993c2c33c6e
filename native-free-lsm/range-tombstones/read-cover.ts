import type { CoverWindow } from './cover-window.ts';
import type { RangeFragments } from './fragments.ts';

/** Lists of range tombstones that know by themselves which of them are near a key, as those of tables do. */
interface CoverLists {
  narrow(window: CoverWindow, key: Uint8Array, start: number, end: number): void;
}

/** All range tombstones that a scan has to look at. */
export class ReadCover {
  readonly #memtables: readonly RangeFragments[];
  readonly #tables: CoverLists | null;

  private constructor(memtables: readonly RangeFragments[], tables: CoverLists | null) {
    this.#memtables = memtables;
    this.#tables = tables;
  }

  /** Null: there is none. @param tables null: they have none */
  static of(memtables: readonly RangeFragments[], tables: CoverLists | null): ReadCover | null {
    return memtables.length === 0 && tables === null ? null : new ReadCover(memtables, tables);
  }

  /** Moves a window to a key. */
  moveTo(window: CoverWindow, key: Uint8Array, start: number, end: number): void {
    window.open();
    for (const fragments of this.#memtables) window.narrow(fragments, key, start, end);
    this.#tables?.narrow(window, key, start, end);
  }
}

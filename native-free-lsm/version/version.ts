import { LsmError } from '../errors.ts';
import { compareBytes } from '../format/bytes.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';

/** Level 0 takes flushes, each level below is larger than the one above it. */
export const LEVELS = 7;
/** The level of tables in quarantine: see Version.quarantine. */
export const QUARANTINE = LEVELS;

/** A step from one version to the next, as the manifest keeps it. */
export interface VersionEdit {
  readonly added: readonly TableMetadata[];
  /** The ids of removed tables. A table that only changes its level is removed and added in the same edit. */
  readonly removed: readonly number[];
  /** The tables hold everything in logs of older generations. */
  readonly oldestGeneration?: number;
  readonly nextFileId?: number;
  /** The log of this generation was begun: it must exist as long as the tables do not hold its content. */
  readonly begunGeneration?: number;
}

type Level = readonly TableMetadata[];

/**
 * The tables of one moment, by level. Level 0 has the newest first, and its tables may overlap; the others are in key
 * order and disjoint. A version never changes: an edit makes a new one, which shares the levels that the edit did not
 * touch.
 */
export class Version {
  readonly levels: readonly Level[];
  /**
   * Damaged tables, in no order: the levels have what could be read of them, and they are kept for what could not. A
   * read that finds nothing newer than one of them asks that one too, so that damage stays damage and never shows an
   * older version. They have no place above or below others, so versions decide; compactions leave them alone.
   */
  readonly quarantine: Level;
  readonly #levelBytes: readonly number[];

  private constructor(levels: readonly Level[], quarantine: Level) {
    this.levels = levels;
    this.quarantine = quarantine;
    this.#levelBytes = levels.map((tables) => sum(tables, (table) => table.fileSizeBytes));
  }

  static empty(): Version {
    return new Version(
      Array.from({ length: LEVELS }, () => []),
      [],
    );
  }

  /** @throws LsmError CORRUPTION when the edit does not fit this version */
  apply(edit: VersionEdit): Version {
    const ids = new Set<number>();
    for (const { id } of this.tables) ids.add(id);
    const removed = new Set<number>();
    for (const id of edit.removed) {
      if (!ids.delete(id)) throw unfit(`table ${id}, which is to be removed, is not there`);
      removed.add(id);
    }
    const added: TableMetadata[][] = Array.from({ length: LEVELS + 1 }, () => []);
    for (const table of edit.added) {
      const { id, level, smallestKey, largestKey } = table;
      if (added[level] === undefined) throw unfit(`table ${id} is for level ${level}`);
      if (ids.has(id)) throw unfit(`table ${id} is there already`);
      if (compareKeys(smallestKey, largestKey) > 0) throw unfit(`table ${id} ends below its first key`);
      ids.add(id);
      added[level].push(table);
    }
    return new Version(
      this.levels.map((tables, level) => {
        const left = tables.some(({ id }) => removed.has(id))
          ? tables.filter(({ id }) => !removed.has(id))
          : tables;
        return added[level].length === 0 ? left : arrange([...left, ...added[level]], level);
      }),
      [...this.quarantine.filter(({ id }) => !removed.has(id)), ...added[QUARANTINE]],
    );
  }

  /** The edit that makes this version from an empty one. */
  toEdit(): VersionEdit {
    return { added: this.tables, removed: [] };
  }

  /** All tables, including those in quarantine. */
  get tables(): TableMetadata[] {
    return [...this.levels.flat(), ...this.quarantine];
  }

  get tableCount(): number {
    return sum(this.levels, (tables) => tables.length) + this.quarantine.length;
  }

  get fileSizeBytes(): number {
    const quarantined = sum(this.quarantine, (table) => table.fileSizeBytes);
    return sum(this.#levelBytes, (bytes) => bytes) + quarantined;
  }

  get entries(): number {
    return this.#total((table) => table.entries);
  }

  get tombstones(): number {
    return this.#total((table) => table.tombstones);
  }

  get rawSizeBytes(): number {
    return this.#total((table) => table.rawSizeBytes);
  }

  /** The largest timestamp of any record in any table; 0 when there is none. */
  get largestTimestamp(): number {
    let largest = 0;
    for (const { largestTimestamp } of this.tables) largest = Math.max(largest, largestTimestamp);
    return largest;
  }

  levelBytes(level: number): number {
    return this.#levelBytes[level];
  }

  /** In a level from 1 on, the only table whose range includes the key. */
  tableFor(level: number, key: Uint8Array, start: number, end: number): TableMetadata | undefined {
    const tables = this.levels[level];
    const table = tables[firstEndingAtOrAbove(tables, key, start, end)];
    if (table === undefined) return undefined;
    const smallest = table.smallestKey;
    return compareBytes(smallest, 0, smallest.length, key, start, end) <= 0 ? table : undefined;
  }

  /** The tables of a level whose range overlaps that from `smallest` to `largest`, both included. */
  overlapping(level: number, smallest: Uint8Array, largest: Uint8Array): readonly TableMetadata[] {
    const tables = this.levels[level];
    if (level === 0) return tables.filter((table) => overlaps(table, smallest, largest));
    const first = firstEndingAtOrAbove(tables, smallest, 0, smallest.length);
    let end = first;
    while (end < tables.length && compareKeys(tables[end].smallestKey, largest) <= 0) end++;
    return tables.slice(first, end);
  }

  #total(of: (table: TableMetadata) => number): number {
    return sum(this.levels, (tables) => sum(tables, of));
  }
}

export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}

/** Whether the table's range overlaps that from `smallest` to `largest`, both included. */
export function overlaps(table: TableMetadata, smallest: Uint8Array, largest: Uint8Array): boolean {
  return compareKeys(table.smallestKey, largest) <= 0 && compareKeys(table.largestKey, smallest) >= 0;
}

/** In a level from 1 on, the index of the first table whose largest key is at or above `key`. */
function firstEndingAtOrAbove(tables: Level, key: Uint8Array, start: number, end: number): number {
  let low = 0;
  let high = tables.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const largest = tables[middle].largestKey;
    if (compareBytes(largest, 0, largest.length, key, start, end) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function arrange(tables: Level, level: number): Level {
  if (level === 0) return tables.toSorted((a, b) => b.id - a.id);
  const sorted = tables.toSorted((a, b) => compareKeys(a.smallestKey, b.smallestKey));
  for (let i = 1; i < sorted.length; i++) {
    if (compareKeys(sorted[i - 1].largestKey, sorted[i].smallestKey) >= 0) {
      throw unfit(`tables ${sorted[i - 1].id} and ${sorted[i].id} overlap in level ${level}`);
    }
  }
  return sorted;
}

function unfit(what: string): LsmError {
  return new LsmError('CORRUPTION', `a version edit does not fit: ${what}`);
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}

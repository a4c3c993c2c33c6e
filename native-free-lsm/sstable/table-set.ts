import { compareBytes } from '../format/bytes.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { RangedTables } from './ranged-tables.ts';
import type { TableReader } from './table-reader.ts';
import { firstTableEndingAtOrAbove } from './table-search.ts';

/**
 * The tables of one super-version, as one thread reads them: a reader for each, by level, in the order of
 * Version.levels.
 */
export class TableSet {
  /** The id of the super-version. */
  readonly id: number;
  /** Memtables of this generation and later are not in the tables. */
  readonly oldestGeneration: number;
  readonly levels: readonly (readonly TableReader[])[];
  /** The readers of Version.quarantine. */
  readonly quarantine: readonly TableReader[];
  /** Largest timestamp in any table: a put above it cannot be older than anything on disk. */
  readonly largestTimestamp: number;
  /** Those that have range tombstones; null: none has. */
  readonly ranged: RangedTables | null;

  constructor(
    id: number,
    oldestGeneration: number,
    levels: readonly (readonly TableReader[])[],
    quarantine: readonly TableReader[] = [],
  ) {
    this.id = id;
    this.oldestGeneration = oldestGeneration;
    this.levels = levels;
    this.quarantine = quarantine;
    let largest = 0;
    for (const readers of [...levels, quarantine]) {
      for (const reader of readers) largest = Math.max(largest, reader.metadata.largestTimestamp);
    }
    this.largestTimestamp = largest;
    this.ranged = RangedTables.among(levels, quarantine);
  }

  /**
   * Whether a table in quarantine may hold the key, so that a hit in the levels may not be the newest version.
   * @param minTimestamp older versions do not matter
   */
  isDoubtful(key: Uint8Array, start: number, end: number, minTimestamp = 0): boolean {
    for (const reader of this.quarantine) {
      if (reader.metadata.largestTimestamp < minTimestamp) continue;
      if (reader.ordinalFor(key, start, end) >= 0) return true;
    }
    return false;
  }

  /** The newest range tombstone in the tables that hides the key, by its timestamp; 0: none does. */
  coverOf(key: Uint8Array, start: number, end: number): number {
    return this.ranged === null ? 0 : this.ranged.coverOf(key, start, end);
  }
}

/** In place of the id of a table. */
export const NO_TABLE = -1;

/**
 * Walks the blocks that may hold a key, newest table first, by Bloom filter, key range and index. Each thread has one
 * and uses it for every lookup. After `next()` returned true, `reader` and `ordinal` name the block, and `level` and
 * `index` its place, from which another thread may continue with `resume`.
 */
export class TableLookup {
  reader!: TableReader;
  ordinal = 0;
  level = 0;
  index = 0;
  /** The hash of the key. */
  hash = 0;
  /** Whether `next` has come to the table that is known to have the key: then it names no block. */
  isKnown = false;
  readonly #seed: HashSeed;
  #set!: TableSet;
  #key: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #nextLevel = 0;
  #nextIndex = 0;
  /** Tables whose newest record is older than this are skipped. */
  #minTimestamp = 0;

  /** @param seed of the hashes that `begin` takes */
  constructor(seed: HashSeed) {
    this.#seed = seed;
  }

  begin(set: TableSet, key: Uint8Array, start: number, end: number, hash: number, minTimestamp = 0): void {
    this.#set = set;
    this.#key = key;
    this.#start = start;
    this.#end = end;
    this.hash = hash;
    this.#minTimestamp = minTimestamp;
    this.#nextLevel = 0;
    this.#nextIndex = 0;
  }

  get superVersionId(): number {
    return this.#set.id;
  }

  /**
   * Call it after `begin`, to continue where another lookup of the same key in the same super-version was, without
   * checking range, filter and index again. `next()` goes on from there.
   */
  resume(level: number, index: number, ordinal: number): void {
    this.level = level;
    this.index = index;
    this.ordinal = ordinal;
    this.reader = this.#set.levels[level][index];
    this.#nextLevel = level === 0 ? 0 : level + 1;
    this.#nextIndex = index + 1;
  }

  /**
   * @param knownTable the id of a table that has the key, if the caller knows one: who goes on from where another has
   *   stopped, to read blocks, needs the block of that table too
   */
  next(knownTable = NO_TABLE): boolean {
    const levels = this.#set.levels;
    while (this.#nextLevel < levels.length) {
      const level = this.#nextLevel;
      const tables = levels[level];
      let index: number;
      if (level === 0) {
        index = this.#nextIndex;
        if (index >= tables.length) {
          this.#nextLevel = 1;
          this.#nextIndex = 0;
          continue;
        }
        this.#nextIndex = index + 1;
      } else {
        index = firstTableEndingAtOrAbove(tables, this.#key, this.#start, this.#end);
        this.#nextLevel = level + 1;
        if (index >= tables.length) continue;
      }
      if (this.#mayHold(tables[index], level > 0, knownTable)) {
        this.level = level;
        this.index = index;
        return true;
      }
    }
    return false;
  }

  /**
   * The filter is asked first: it refuses nearly all keys that are not there, for less than a comparison of keys costs.
   * @param endsBehind the table is known to end at or above the key
   */
  #mayHold(reader: TableReader, endsBehind: boolean, knownTable: number): boolean {
    const { id, largestKey, largestTimestamp, smallestKey } = reader.metadata;
    if (largestTimestamp < this.#minTimestamp) return false;
    this.isKnown = id === knownTable;
    if (this.isKnown) return true;
    if (!reader.mayContain(this.#hashFor(reader))) return false;
    if (compareBytes(this.#key, this.#start, this.#end, smallestKey, 0, smallestKey.length) < 0) return false;
    if (!endsBehind && compareBytes(this.#key, this.#start, this.#end, largestKey, 0, largestKey.length) > 0)
      return false;
    const ordinal = reader.findBlock(this.#key, this.#start, this.#end);
    if (ordinal < 0) return false;
    this.reader = reader;
    this.ordinal = ordinal;
    return true;
  }

  /** All tables of a directory have its seed, unless some came from elsewhere. */
  #hashFor(reader: TableReader): number {
    const { hashSeed } = reader;
    if (hashSeed.low === this.#seed.low && hashSeed.high === this.#seed.high) return this.hash;
    return hashBytes(this.#key, this.#start, this.#end, reader.hashSeed);
  }
}

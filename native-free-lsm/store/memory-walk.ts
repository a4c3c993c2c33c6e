import type { BlockCache } from '../cache/block-cache.ts';
import { corruption } from '../errors.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { BlockSource } from '../sstable/block-source.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import type { TableCursor, TableReader } from '../sstable/table-reader.ts';
import type { TableSet } from '../sstable/table-set.ts';
import type { Arenas } from './arenas.ts';

/** How many cursors over tables are kept: those of levels are opened at every seek. */
const MAX_CURSORS = 64;

/** Thrown where a walk needs what is not in memory. It is no error that anybody sees. */
export const NOT_IN_MEMORY = Symbol('not in memory');

/** A block that a walk would have needed. */
export interface MissingBlock {
  readonly reader: TableReader;
  readonly ordinal: number;
}

/**
 * Walks over the memtables from one generation down and the cached blocks of one super-version, in one direction. What it
 * is made of serves for walk after walk: to make it anew would cost a scan of few entries more than all else.
 */
export class MemoryWalk {
  readonly generation: number;
  readonly isReverse: boolean;
  readonly isCovered: boolean;
  readonly merge: MergingIterator;
  /** What it merges, from the newest on. */
  readonly sources: RecordIterator[] = [];
  readonly #arenas: Arenas;
  readonly #tables: TableSet;
  readonly #cache: BlockCache;
  readonly #missing: MissingBlock[];
  readonly #cursors = new Map<TableReader, TableCursor>();

  /**
   * @param isCovered whether tables are passed over where they are hidden
   * @param missing takes blocks that are not there
   */
  constructor(
    arenas: Arenas,
    cache: BlockCache,
    tables: TableSet,
    generation: number,
    isReverse: boolean,
    isCovered: boolean,
    missing: MissingBlock[],
  ) {
    this.#arenas = arenas;
    this.#cache = cache;
    this.#tables = tables;
    this.generation = generation;
    this.isReverse = isReverse;
    this.isCovered = isCovered;
    this.#missing = missing;
    this.begin(0);
    const open = (reader: TableReader): TableCursor => this.#cursor(reader);
    for (const [level, readers] of tables.levels.entries()) {
      // One that is a level of its own can be passed over where it is hidden.
      const isApart = level === 0 && !isCovered;
      if (isApart) for (const reader of readers) this.sources.push(this.#walk(reader));
      else if (level === 0)
        for (const reader of readers) this.sources.push(new LevelIterator([reader], open, isReverse));
      else if (readers.length > 0) this.sources.push(new LevelIterator(readers, open, isReverse));
    }
    this.merge = new MergingIterator(this.sources, isReverse);
  }

  /** @param limit entries of the newest generation at this offset and above are later */
  begin(limit: number): void {
    const { generation, isReverse } = this;
    const { oldestGeneration } = this.#tables;
    for (let g = generation; g >= oldestGeneration; g--) {
      const memtable = this.#arenas.memtable(g);
      const until = g === generation ? limit : memtable.publishedOffset;
      this.sources[generation - g] = memtable.iterator(until, isReverse);
    }
  }

  #cursor(reader: TableReader): TableCursor {
    const kept = this.#cursors.get(reader);
    if (kept !== undefined) return kept;
    const cursor = this.#walk(reader);
    if (this.#cursors.size === MAX_CURSORS) this.#cursors.clear();
    this.#cursors.set(reader, cursor);
    return cursor;
  }

  #walk(reader: TableReader): TableCursor {
    if (reader.handle.fault !== null) throw NOT_IN_MEMORY;
    return reader.walk(new CachedBlocks(this.#cache, reader, this.#missing), this.isReverse);
  }
}

/** The blocks of a table that are in the cache. They stay there for the turn in which they are found. */
class CachedBlocks implements BlockSource {
  readonly bytes: Uint8Array;
  start = 0;
  end = 0;
  ordinal = 0;
  readonly #cache: BlockCache;
  readonly #reader: TableReader;
  readonly #missing: MissingBlock[];

  /** @param missing takes a block that is not there */
  constructor(cache: BlockCache, reader: TableReader, missing: MissingBlock[]) {
    this.bytes = cache.bytes;
    this.#cache = cache;
    this.#reader = reader;
    this.#missing = missing;
  }

  expectWalk(): void {}

  expectSeek(): void {}

  enter(ordinal: number): void {
    this.ordinal = ordinal;
    const slot = this.#cache.find(this.#reader.metadata.id, ordinal);
    if (slot === -1) {
      this.#missing.push({ reader: this.#reader, ordinal });
      throw NOT_IN_MEMORY;
    }
    this.start = this.#cache.dataStart(slot);
    this.end = this.#cache.dataEnd(slot);
  }

  damaged(fault: string): Error {
    return corruption(this.#reader.handle.path, this.#reader.blockOffset(this.ordinal), fault);
  }
}

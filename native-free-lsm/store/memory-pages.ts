import type { BlockCache } from '../cache/block-cache.ts';
import { corruption, LsmError } from '../errors.ts';
import { ownBytes } from '../format/copy.ts';
import { readUint32 } from '../format/integers.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import { keyBehind } from '../iterator/key-range.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import { PAGE_ENTRY_HEADER_BYTES, Page } from '../iterator/page.ts';
import { PageBuilder } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import { CoveredIterator } from '../range-tombstones/covered-iterator.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import { ReadCover } from '../range-tombstones/read-cover.ts';
import type { BlockSource } from '../sstable/block-source.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import type { TableCursor, TableReader } from '../sstable/table-reader.ts';
import type { TableSet } from '../sstable/table-set.ts';
import type { ScanPageRequest } from '../threads/protocol/reader-messages.ts';
import type { Arenas } from './arenas.ts';
import { MissedBlocks } from './missed-blocks.ts';

/** Larger pages are for a reader: this is the main thread. */
const MAX_ENTRIES = 128;
const MAX_BYTES = 64 * 1024;
/** The most blocks that one page has loaded for those to come. */
const MAX_MISSING = 8;

/** Thrown where a walk needs what is not in memory. It is no error that anybody sees. */
const NOT_IN_MEMORY = Symbol('not in memory');

/** A block that a page would have needed. */
interface MissingBlock {
  readonly reader: TableReader;
  readonly ordinal: number;
}

/** Where the page stands in time. */
export interface PagePoint {
  readonly tables: TableSet;
  readonly generation: number;
  readonly limit: number;
}

/**
 * Reads pages of few entries on the main thread, as a reader does, but from memtables and cached blocks alone. So the
 * first entries of a scan cross no thread where memory has them.
 */
export class MemoryPages {
  readonly #arenas: Arenas;
  readonly #cache: BlockCache;
  readonly #bound = new KeyBound();
  readonly #page = new PageBuilder();
  readonly #missed = new MissedBlocks();
  /** What the page that was read last has missed, and one before it as well: at most one block of each table. */
  readonly missing: MissingBlock[] = [];

  constructor(arenas: Arenas, cache: BlockCache) {
    this.#arenas = arenas;
    this.#cache = cache;
  }

  /** The page, or as much of it as memory has; null when that is nothing, or when the page may be large. */
  read(request: ScanPageRequest, point: PagePoint): Page | null {
    const { encoder, maxBytes, maxEntries } = request;
    this.missing.length = 0;
    if (encoder !== 0 || maxEntries > MAX_ENTRIES || maxBytes > MAX_BYTES) return null;
    // Versions decide there, and what cannot be read counts.
    if (point.tables.quarantine.length > 0) return null;
    try {
      this.#setBound(request);
      const cover = this.#cover(point);
      const sources = this.#sources(request, point, cover);
      const iterator = this.#iterator(sources, cover, request.reverse ?? false);
      if (this.#isPlaced(request, iterator)) return this.#walk(request, iterator);
      if (this.#keepMissedAgain()) {
        // Each source tells what it misses, so that the next scan from here finds it.
        this.missing.length = 0;
        for (const source of sources) {
          if (this.missing.length >= MAX_MISSING) break;
          this.#isPlaced(request, source);
        }
      }
      return null;
    } catch (error) {
      // A reader says what is damaged.
      if (error === NOT_IN_MEMORY || error instanceof LsmError) return null;
      throw error;
    }
  }

  #setBound({ end, reverse, start }: ScanPageRequest): void {
    const bound = this.#bound;
    if (reverse) bound.setAtOrAbove(start, 0, start.length);
    else if (end !== null) bound.setBelow(end, 0, end.length);
    else bound.clear();
  }

  #cover({ generation, limit, tables }: PagePoint): ReadCover | null {
    const ranges: RangeFragments[] = [];
    for (let g = generation; g >= tables.oldestGeneration; g--) {
      const memtable = this.#arenas.memtable(g);
      const own = memtable.ranges(g === generation ? limit : memtable.publishedOffset);
      if (own !== null) ranges.push(own);
    }
    return ReadCover.of(ranges, tables.ranged);
  }

  #iterator(
    sources: readonly RecordIterator[],
    cover: ReadCover | null,
    isReverse: boolean,
  ): MergingIterator | CoveredIterator {
    const merge = new MergingIterator(sources, isReverse);
    if (cover === null) return merge;
    let hidden = 0;
    return new CoveredIterator(merge, cover, this.#bound, isReverse, () => {
      // A reader has the time to walk over what was deleted.
      if (++hidden > MAX_ENTRIES) throw NOT_IN_MEMORY;
    });
  }

  /** Forgets the block that was missed unless it was missed before, lately. */
  #keepMissedAgain(): boolean {
    // A table that cannot be read is no missing block.
    const missing = this.missing.at(-1);
    const isAgain = missing !== undefined && this.#missed.missed(missing.reader.metadata.id, missing.ordinal);
    if (!isAgain) this.missing.length = 0;
    return isAgain;
  }

  /** Goes to where the page begins; false: memory does not have that. */
  #isPlaced({ end, reverse, start }: ScanPageRequest, iterator: RecordIterator): boolean {
    try {
      if (!reverse) iterator.seek(start, 0, start.length);
      else if (end !== null) iterator.seek(end, 0, end.length);
      else iterator.seekToFirst();
      return true;
    } catch (error) {
      if (error === NOT_IN_MEMORY) return false;
      throw error;
    }
  }

  #walk(request: ScanPageRequest, iterator: MergingIterator | CoveredIterator): Page | null {
    const { maxBytes, reverse } = request;
    const bound = this.#bound;
    const page = this.#page;
    const bytes = Buffer.allocUnsafe(maxBytes);
    page.begin(bytes, 0, maxBytes, { ...request, encoder: null });
    /** Where the last entry begins. */
    let lastAt = 0;
    let resumeAt: Uint8Array | null = null;
    try {
      while (iterator.valid && bound.admits(iterator.keyBytes, iterator.keyStart, iterator.keyEnd)) {
        const { keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd } = iterator;
        const { at } = page;
        if (!page.add(keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd)) {
          // One entry alone may be larger than was asked for: a reader makes room for it.
          if (at === 0) return null;
          resumeAt = ownBytes(keyBytes, keyStart, keyEnd);
          break;
        }
        if (page.at > at) lastAt = at;
        iterator.next();
      }
    } catch (error) {
      if (error !== NOT_IN_MEMORY) throw error;
      this.#keepMissedAgain();
      if (page.at === 0) throw error;
      const keyAt = lastAt + PAGE_ENTRY_HEADER_BYTES;
      const lastKey = ownBytes(bytes, keyAt, keyAt + readUint32(bytes, lastAt));
      // Nobody knows what comes behind the last entry: the scan goes on behind its key.
      if (!reverse && lastKey.length < MAX_KEY_BYTES) return new Page(bytes, page.at, keyBehind(lastKey));
      // Against the order there is no such key, so the page ends before that entry and goes on with it.
      if (lastAt === 0) throw error;
      return new Page(bytes, lastAt, lastKey);
    }
    return new Page(bytes, page.at, resumeAt);
  }

  #sources(
    { reverse = false }: ScanPageRequest,
    { generation, limit, tables }: PagePoint,
    cover: ReadCover | null,
  ): RecordIterator[] {
    const sources: RecordIterator[] = [];
    for (let g = generation; g >= tables.oldestGeneration; g--) {
      const memtable = this.#arenas.memtable(g);
      sources.push(memtable.iterator(g === generation ? limit : memtable.publishedOffset, reverse));
    }
    const open = (reader: TableReader): TableCursor => {
      if (reader.handle.fault !== null) throw NOT_IN_MEMORY;
      return reader.walk(new CachedBlocks(this.#cache, reader, this.missing), reverse);
    };
    for (const [level, readers] of tables.levels.entries()) {
      // One that is a level of its own can be passed over where it is hidden.
      const isApart = level === 0 && cover === null;
      if (isApart) for (const reader of readers) sources.push(open(reader));
      else if (level === 0)
        for (const reader of readers) sources.push(new LevelIterator([reader], open, reverse));
      else if (readers.length > 0) sources.push(new LevelIterator(readers, open, reverse));
    }
    return sources;
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

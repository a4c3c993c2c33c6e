import type { BlockCache } from '../cache/block-cache.ts';
import { corruption, LsmError } from '../errors.ts';
import { ownBytes } from '../format/copy.ts';
import { readUint32 } from '../format/integers.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import { PAGE_ENTRY_HEADER_BYTES, Page } from '../iterator/page.ts';
import { PageBuilder } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { BlockSource } from '../sstable/block-source.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import type { TableCursor, TableReader } from '../sstable/table-reader.ts';
import type { TableSet } from '../sstable/table-set.ts';
import type { ScanPageRequest } from '../threads/protocol/reader-messages.ts';
import type { Arenas } from './arenas.ts';

/** Larger pages are for a reader: this is the main thread. */
const MAX_ENTRIES = 128;
const MAX_BYTES = 64 * 1024;

/** Thrown where a walk needs what is not in memory. It is no error that anybody sees. */
const NOT_IN_MEMORY = Symbol('not in memory');

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

  constructor(arenas: Arenas, cache: BlockCache) {
    this.#arenas = arenas;
    this.#cache = cache;
  }

  /** The page, or as much of it as memory has; null when that is nothing, or when the page may be large. */
  read(request: ScanPageRequest, point: PagePoint): Page | null {
    const { encoder, maxBytes, maxEntries } = request;
    if (encoder !== 0 || maxEntries > MAX_ENTRIES || maxBytes > MAX_BYTES) return null;
    // Versions decide there, and what cannot be read counts.
    if (point.tables.quarantine.length > 0) return null;
    try {
      return this.#walk(request, this.#iterator(request, point));
    } catch (error) {
      // A reader says what is damaged.
      if (error === NOT_IN_MEMORY || error instanceof LsmError) return null;
      throw error;
    }
  }

  #walk(request: ScanPageRequest, iterator: MergingIterator): Page | null {
    const { end, maxBytes, reverse, start } = request;
    const bound = this.#bound;
    if (reverse) bound.setAtOrAbove(start, 0, start.length);
    else if (end !== null) bound.setBelow(end, 0, end.length);
    else bound.clear();
    if (!reverse) iterator.seek(start, 0, start.length);
    else if (end !== null) iterator.seek(end, 0, end.length);
    else iterator.seekToFirst();
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
      // Nobody knows what comes behind the last entry, so the page ends before it and goes on there.
      if (error !== NOT_IN_MEMORY || lastAt === 0) throw error;
      const keyAt = lastAt + PAGE_ENTRY_HEADER_BYTES;
      return new Page(bytes, lastAt, ownBytes(bytes, keyAt, keyAt + readUint32(bytes, lastAt)));
    }
    return new Page(bytes, page.at, resumeAt);
  }

  #iterator({ reverse = false }: ScanPageRequest, { generation, limit, tables }: PagePoint): MergingIterator {
    const sources: RecordIterator[] = [];
    for (let g = generation; g >= tables.oldestGeneration; g--) {
      const memtable = this.#arenas.memtable(g);
      sources.push(memtable.iterator(g === generation ? limit : memtable.publishedOffset, reverse));
    }
    const open = (reader: TableReader): TableCursor => {
      if (reader.handle.fault !== null) throw NOT_IN_MEMORY;
      return reader.walk(new CachedBlocks(this.#cache, reader), reverse);
    };
    for (const [level, readers] of tables.levels.entries()) {
      if (level === 0) for (const reader of readers) sources.push(open(reader));
      else if (readers.length > 0) sources.push(new LevelIterator(readers, open, reverse));
    }
    return new MergingIterator(sources, reverse);
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

  constructor(cache: BlockCache, reader: TableReader) {
    this.bytes = cache.bytes;
    this.#cache = cache;
    this.#reader = reader;
  }

  expectWalk(): void {}

  expectSeek(): void {}

  enter(ordinal: number): void {
    this.ordinal = ordinal;
    const slot = this.#cache.find(this.#reader.metadata.id, ordinal);
    if (slot === -1) throw NOT_IN_MEMORY;
    this.start = this.#cache.dataStart(slot);
    this.end = this.#cache.dataEnd(slot);
  }

  damaged(fault: string): Error {
    return corruption(this.#reader.handle.path, this.#reader.blockOffset(this.ordinal), fault);
  }
}

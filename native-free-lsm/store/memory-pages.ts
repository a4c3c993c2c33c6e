import type { BlockCache } from '../cache/block-cache.ts';
import { LsmError } from '../errors.ts';
import { ownBytes } from '../format/copy.ts';
import { readUint32 } from '../format/integers.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import { keyBehind } from '../iterator/key-range.ts';
import type { MergingIterator } from '../iterator/merging-iterator.ts';
import { PAGE_ENTRY_HEADER_BYTES, Page } from '../iterator/page.ts';
import { PageBuilder } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { CoveredIterator } from '../range-tombstones/covered-iterator.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import { ReadCover } from '../range-tombstones/read-cover.ts';
import type { TableSet } from '../sstable/table-set.ts';
import type { ScanPageRequest } from '../threads/protocol/reader-messages.ts';
import type { Arenas } from './arenas.ts';
import { copyOut } from './memory-search.ts';
import { MemoryWalk, type MissingBlock, NOT_IN_MEMORY } from './memory-walk.ts';

/** Larger pages are for a reader: this is the main thread. */
const MAX_ENTRIES = 128;
const MAX_BYTES = 64 * 1024;
/** Of keys that are not in order in memtables. */
const MAX_UNLINKED_BYTES = 16 * 1024;
/** The most blocks that one page has loaded for those to come. */
const MAX_MISSING = 8;

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
  /** The walks of each set of tables: one in each direction at most. */
  readonly #walks = new WeakMap<TableSet, MemoryWalk[]>();
  /** Where pages are made before it is known how large they are. */
  readonly #scratch = Buffer.allocUnsafeSlow(MAX_BYTES);
  /** What the page that was read last has missed, and is to be in the cache: at most one block of each table. */
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
    // To sort many takes milliseconds.
    if (this.#unlinkedBytes(point) > MAX_UNLINKED_BYTES) return null;
    try {
      this.#setBound(request);
      const cover = this.#cover(point);
      const isReverse = request.reverse ?? false;
      const { merge, sources } = this.#walkOf(point, isReverse, cover !== null);
      const iterator = this.#iterator(merge, cover, isReverse);
      if (this.#isPlaced(request, iterator)) return this.#walk(request, iterator);
      if (this.#keepDeserving()) this.#addMissing(request, sources);
      return null;
    } catch (error) {
      // A reader says what is damaged.
      if (error === NOT_IN_MEMORY || error instanceof LsmError) return null;
      throw error;
    }
  }

  #unlinkedBytes({ generation, limit, tables }: PagePoint): number {
    let bytes = 0;
    for (let g = generation; g >= tables.oldestGeneration; g--) {
      const memtable = this.#arenas.memtable(g);
      bytes += memtable.unlinkedBytes(g === generation ? limit : memtable.publishedOffset);
    }
    return bytes;
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
    merge: MergingIterator,
    cover: ReadCover | null,
    isReverse: boolean,
  ): MergingIterator | CoveredIterator {
    if (cover === null) return merge;
    let hidden = 0;
    return new CoveredIterator(merge, cover, this.#bound, isReverse, () => {
      // A reader has the time to walk over what was deleted.
      if (++hidden > MAX_ENTRIES) throw NOT_IN_MEMORY;
    });
  }

  /** Forgets the block that was missed unless it deserves a place in the cache. */
  #keepDeserving(): boolean {
    // A table that cannot be read is no missing block.
    const missing = this.missing.at(-1);
    const isWorthIt =
      missing !== undefined && this.#cache.deserves(missing.reader.metadata.id, missing.ordinal);
    if (!isWorthIt) this.missing.length = 0;
    return isWorthIt;
  }

  /** Each source tells what it misses, so that the next scan from here finds it. */
  #addMissing(request: ScanPageRequest, sources: readonly RecordIterator[]): void {
    const { missing } = this;
    // It need not be one from which a source begins: what lies there may be hidden.
    const met = missing.splice(0);
    for (const source of sources) {
      if (missing.length >= MAX_MISSING) break;
      this.#isPlaced(request, source);
    }
    for (const { ordinal, reader } of met)
      if (!missing.some((other) => other.reader === reader && other.ordinal === ordinal))
        missing.push({ ordinal, reader });
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
    const bytes = this.#scratch;
    const { includeTombstones, keysOnly = false, maxEntries, nowMs } = request;
    const limit = request.limit ?? maxEntries;
    const contents = { includeTombstones, keysOnly, limit, maxEntries, nowMs, encoder: null };
    page.begin(bytes, 0, maxBytes, contents);
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
        if (page.isFull && !reverse) return this.#pageUpTo(lastAt);
        iterator.next();
      }
    } catch (error) {
      if (error !== NOT_IN_MEMORY) throw error;
      this.#keepDeserving();
      if (page.at === 0) throw error;
      // Nobody knows what comes behind the last entry: the scan goes on behind its key.
      if (!reverse) return this.#pageUpTo(lastAt);
      // Against the order there is no such key, so the page ends before that entry and goes on with it.
      if (lastAt === 0) throw error;
      return this.#finish(lastAt, this.#keyAt(lastAt));
    }
    return this.#finish(page.at, resumeAt);
  }

  /** The page with its last entry at a place: the scan goes on behind that one's key. */
  #pageUpTo(lastAt: number): Page {
    return this.#finish(this.#page.at, keyBehind(this.#keyAt(lastAt)));
  }

  #finish(usedBytes: number, resumeAt: Uint8Array | null): Page {
    return new Page(copyOut(this.#scratch, 0, usedBytes), usedBytes, resumeAt);
  }

  /** The key of the entry at a place of the page. */
  #keyAt(at: number): Uint8Array {
    const keyAt = at + PAGE_ENTRY_HEADER_BYTES;
    return ownBytes(this.#scratch, keyAt, keyAt + readUint32(this.#scratch, at));
  }

  /** The walk over that point, which is kept for as long as its tables are. */
  #walkOf({ generation, limit, tables }: PagePoint, isReverse: boolean, isCovered: boolean): MemoryWalk {
    let kept = this.#walks.get(tables);
    if (kept === undefined) {
      kept = [];
      this.#walks.set(tables, kept);
    }
    const at = kept.findIndex((walk) => walk.isReverse === isReverse);
    const found = kept[at];
    if (found !== undefined && found.generation === generation && found.isCovered === isCovered) {
      found.begin(limit);
      return found;
    }
    const walk = new MemoryWalk(
      this.#arenas,
      this.#cache,
      tables,
      generation,
      isReverse,
      isCovered,
      this.missing,
    );
    walk.begin(limit);
    if (at < 0) kept.push(walk);
    else kept[at] = walk;
    return walk;
  }
}

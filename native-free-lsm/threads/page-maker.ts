import type { BlockCacheReader } from '../cache/block-cache-reader.ts';
import { recordValueStart } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type { EntryEncoder } from '../iterator/entry-encoder.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import { PageBuilder, pageEntryBytes } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { CoveredIterator } from '../range-tombstones/covered-iterator.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import { ReadCover } from '../range-tombstones/read-cover.ts';
import { ControlWord } from '../shared/control.ts';
import type { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import type { TableCursor, TableReader } from '../sstable/table-reader.ts';
import type { TableSet } from '../sstable/table-set.ts';
import { WindowMemory } from '../sstable/window-memory.ts';
import type { PointedPageRequest } from './protocol/reader-messages.ts';

const READAHEAD_BYTES = 64 * 1024;
/** A page of no more entries is that of a small scan. */
const FEW_ENTRIES = 128;

/**
 * Makes pages of scans out of memtables and tables, on the thread that reads the tables: `begin`, `fill`, `end`. Then it
 * keeps nothing of a page but memory for the next one.
 */
export class PageMaker {
  /** What the entry at which the page begins takes in it, and its record alone; 0: the page has none. */
  firstEntryBytes = 0;
  firstRecordBytes = 0;
  /** Whether the scan goes on behind the page that was filled, with the key `keyBytes[keyStart, keyEnd)`. */
  hasMore = false;
  readonly #fs: FileSystem;
  readonly #words: Int32Array;
  readonly #descriptors: DescriptorCache;
  readonly #cache: BlockCacheReader;
  readonly #memtableOf: (generation: number) => Memtable;
  readonly #page = new PageBuilder();
  /** Of the page that is being made. */
  readonly #windows = new WindowMemory(2 * READAHEAD_BYTES);
  readonly #bound = new KeyBound();
  #iterator: ScanIterator = NOTHING;
  #request!: PointedPageRequest;
  #encoder: EntryEncoder | null = null;

  /**
   * @param words of the control block
   * @param memtableOf gives the memtable of a generation that is not in the tables
   */
  constructor(
    fs: FileSystem,
    words: Int32Array,
    descriptors: DescriptorCache,
    cache: BlockCacheReader,
    memtableOf: (generation: number) => Memtable,
  ) {
    this.#fs = fs;
    this.#words = words;
    this.#descriptors = descriptors;
    this.#cache = cache;
    this.#memtableOf = memtableOf;
  }

  get keyBytes(): Uint8Array {
    return this.#iterator.keyBytes;
  }
  get keyStart(): number {
    return this.#iterator.keyStart;
  }
  get keyEnd(): number {
    return this.#iterator.keyEnd;
  }

  /**
   * Goes to where a page begins.
   * @param tables of the request's super-version
   * @param bytes in which the request's keys lie
   * @param encoder of the request's number
   * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR, as `fill`
   */
  begin(
    tables: TableSet,
    request: PointedPageRequest,
    bytes: Uint8Array,
    encoder: EntryEncoder | null,
  ): void {
    this.#windows.releaseAll();
    this.#request = request;
    this.#encoder = encoder;
    const bound = this.#bound;
    const { reverse, hasEnd, startStart, startEnd, endStart, endEnd } = request;
    if (reverse) bound.setAtOrAbove(bytes, startStart, startEnd);
    else if (hasEnd) bound.setBelow(bytes, endStart, endEnd);
    else bound.clear();
    const iterator = this.#over(tables, request, bound);
    this.#iterator = iterator;
    if (!reverse) iterator.seek(bytes, startStart, startEnd);
    else if (hasEnd) iterator.seek(bytes, endStart, endEnd);
    else iterator.seekToFirst();
    const isEmpty = !iterator.valid || !bound.admits(iterator.keyBytes, iterator.keyStart, iterator.keyEnd);
    this.firstEntryBytes = isEmpty ? 0 : firstEntryBytes(iterator, request, encoder);
    this.firstRecordBytes = isEmpty ? 0 : iterator.recordEnd - iterator.recordStart;
  }

  /**
   * Writes the entries of the page that was begun. A page has at least one entry, so that a scan always gets further: give
   * it room for its first one.
   * @returns where they end
   */
  fill(target: Uint8Array, at: number, end: number): number {
    const { includeTombstones, keysOnly, limit, maxEntries, nowMs } = this.#request;
    const contents = { maxEntries, limit, includeTombstones, keysOnly, encoder: this.#encoder, nowMs };
    const iterator = this.#iterator;
    const bound = this.#bound;
    const page = this.#page;
    page.begin(target, at, end, contents);
    let done = true;
    while (iterator.valid && bound.admits(iterator.keyBytes, iterator.keyStart, iterator.keyEnd)) {
      done = iterator.addRun(page, bound);
      if (!done) break;
    }
    this.hasMore = !done;
    return page.at;
  }

  /** Lets go of what the page was made of, and of the key behind it. */
  end(): void {
    this.#iterator = NOTHING;
  }

  #over(tables: TableSet, request: PointedPageRequest, bound: KeyBound): ScanIterator {
    const { generation, memtableLimit, reverse, skipsDamage } = request;
    const sources: RecordIterator[] = [];
    const ranges: RangeFragments[] = [];
    for (let g = generation; g >= tables.oldestGeneration; g--) {
      const memtable = this.#memtableOf(g);
      const limit = g === generation ? memtableLimit : memtable.publishedOffset;
      // It only makes the writer sort for the scans to come; nothing is ordered by it.
      if (memtable.unlinkedBytes(limit) > 0) Atomics.add(this.#words, ControlWord.orderRequests, 1);
      sources.push(memtable.iterator(limit, reverse));
      const own = memtable.ranges(limit);
      if (own !== null) ranges.push(own);
    }
    const cover = ReadCover.of(ranges, tables.ranged);
    // A page of few entries is worth a look for each of its blocks: reading one takes twenty times as long.
    const cache = request.maxEntries <= FEW_ENTRIES ? this.#cache : null;
    const open = (reader: TableReader): TableCursor =>
      skipsDamage
        ? reader.soundCursor(this.#fs, this.#descriptors)
        : reader.cursor(this.#fs, this.#descriptors, READAHEAD_BYTES, bound, reverse, this.#windows, cache);
    for (const [level, all] of tables.levels.entries()) {
      const readers = skipsDamage ? all.filter(isReadable) : all;
      // One that is a level of its own can be passed over where it is hidden.
      const isApart = level === 0 && cover === null;
      if (isApart) for (const reader of readers) sources.push(open(reader));
      else if (level === 0)
        for (const reader of readers) sources.push(new LevelIterator([reader], open, reverse));
      else if (readers.length > 0) sources.push(new LevelIterator(readers, open, reverse));
    }
    for (const reader of tables.quarantine) {
      if (skipsDamage && !isReadable(reader)) continue;
      // The table matters only when the scan can reach its keys. The merge compares versions.
      const { smallestKey, largestKey } = reader.metadata;
      const first = reverse ? largestKey : smallestKey;
      if (!bound.admits(first, 0, first.length)) continue;
      sources.push(open(reader));
    }
    const merge = new MergingIterator(sources, reverse);
    return cover === null ? merge : new CoveredIterator(merge, cover, bound, reverse);
  }
}

type ScanIterator = MergingIterator | CoveredIterator;

const NOTHING = new MergingIterator([]);

function isReadable({ handle }: TableReader): boolean {
  return handle.fault === null;
}

/** What the entry at which an iterator stands takes in a page. */
function firstEntryBytes(
  iterator: ScanIterator,
  { keysOnly }: PointedPageRequest,
  encoder: EntryEncoder | null,
): number {
  const { keyEnd, keyStart, recordBytes, recordEnd, recordStart } = iterator;
  const copiedEnd = keysOnly ? recordValueStart(recordBytes, recordStart) : recordEnd;
  return pageEntryBytes(keyEnd - keyStart, copiedEnd - recordStart, encoder);
}

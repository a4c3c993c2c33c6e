import type { BlockCacheReader } from '../cache/block-cache-reader.ts';
import { compareBytes } from '../format/bytes.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { lz4Input } from '../format/lz4-memory.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type { KeyBound } from '../iterator/key-bound.ts';
import { decodeFragments } from '../range-tombstones/fragment-codec.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { BLOCK_TRAILER_BYTES, unpackBlock } from './block-codec.ts';
import type { BlockSource } from './block-source.ts';
import { BlockWindow } from './block-window.ts';
import { BloomFilter } from './bloom-filter.ts';
import { CachedWindow } from './cached-window.ts';
import type { DescriptorCache } from './descriptor-cache.ts';
import { readExactly } from './read-exactly.ts';
import { ReverseTableIterator } from './reverse-table-iterator.ts';
import type { DeferredTable, OpenedTable, TableHandle } from './table-handle.ts';
import { TableIndex } from './table-index.ts';
import { TableIterator } from './table-iterator.ts';
import type { TableMetadata } from './table-metadata.ts';
import { UnreadableIterator } from './unreadable-table.ts';
import { OWN_WINDOWS, type WindowSource } from './window-memory.ts';

/** What walks over a table, in key order or against it. */
export type TableCursor = TableIterator | ReverseTableIterator | UnreadableIterator;

/** A thread reads one block at a time, so all of its readers share one buffer for stored blocks. */
let stored = new Uint8Array(64 * 1024);
/** Larger blocks are rare and get a buffer of their own, so that one of 16 MiB is not kept for good. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** Nobody adds to it. */
const NO_RANGES = new RangeFragments();

/** How one thread reads a table: its filter, its index and its blocks. It keeps no file open. */
export class TableReader {
  readonly metadata: TableMetadata;
  readonly path: string;
  /** Its range tombstones. */
  readonly ranges: RangeFragments;
  /** Set until index and filter are loaded, which the first look at one of them does. */
  #deferred: DeferredTable | undefined;
  #handle!: TableHandle;
  #filter!: BloomFilter;
  #index!: TableIndex;

  /** @param table a deferred one has no range tombstones */
  constructor(table: OpenedTable) {
    this.metadata = table.metadata;
    this.path = table.path;
    if ('load' in table) {
      this.#deferred = table;
      this.ranges = NO_RANGES;
      return;
    }
    this.#deferred = undefined;
    this.#take(table);
    this.ranges = table.ranges === null ? NO_RANGES : decodeFragments(table.ranges);
  }

  get isLoaded(): boolean {
    return this.#deferred === undefined;
  }

  get handle(): TableHandle {
    this.load();
    return this.#handle;
  }

  get blockCount(): number {
    this.load();
    return this.#index.blockCount;
  }

  /** The seed of the hashes that `mayContain` takes. */
  get hashSeed(): HashSeed {
    this.load();
    return this.#filter.seed;
  }

  /** Loads index and filter, unless they are. Whoever has the ordinal of a block has asked the index before. */
  load(): void {
    if (this.#deferred !== undefined) this.#take(this.#deferred.load());
  }

  #take(handle: TableHandle): void {
    this.#handle = handle;
    this.#filter = new BloomFilter(handle.filter, handle.filterBytes);
    this.#index = new TableIndex(handle.index, BLOCK_TRAILER_BYTES);
    this.#deferred = undefined;
  }

  /** False: no key with this hash is in the table. */
  mayContain(hash: number): boolean {
    this.load();
    return this.#filter.mayContain(hash);
  }

  /** The ordinal of the only block that can hold `key[start, end)`; -1 when the key is above the last one. */
  findBlock(key: Uint8Array, start: number, end: number): number {
    this.load();
    return this.#index.find(key, start, end);
  }

  /** The block that may hold the key by range, filter and index; -1 when the table does not have the key. */
  ordinalFor(key: Uint8Array, start: number, end: number): number {
    const { smallestKey, largestKey } = this.metadata;
    if (compareBytes(key, start, end, smallestKey, 0, smallestKey.length) < 0) return -1;
    if (compareBytes(key, start, end, largestKey, 0, largestKey.length) > 0) return -1;
    return this.mayContain(hashBytes(key, start, end, this.hashSeed)) ? this.findBlock(key, start, end) : -1;
  }

  /** Where a block starts in the file. */
  blockOffset(ordinal: number): number {
    return this.#index.blockOffset(ordinal);
  }

  /** About how many bytes of the file belong to keys below a key; null: to all keys. */
  bytesBefore(key: Uint8Array | null): number {
    this.load();
    const ordinal = key === null ? -1 : this.#index.find(key, 0, key.length);
    return this.#index.blockOffset(ordinal < 0 ? this.blockCount : ordinal);
  }

  /** How many bytes `readBlock` writes. */
  blockMemoryBytes(ordinal: number): number {
    return this.#index.memoryBytes(ordinal);
  }

  /**
   * Reads a block with one call to the file system, verifies it, and writes it, ready for `searchBlock`, to `target`
   * from `targetStart` on. Unverified bytes never appear there, so it may be shared memory.
   * @returns the number of bytes written
   * @throws LsmError CORRUPTION with file and offset, UNSUPPORTED_FORMAT, IO_ERROR
   */
  readBlock(fs: FileSystem, fd: number, ordinal: number, target: Uint8Array, targetStart: number): number {
    const { path } = this.handle;
    const offset = this.#index.blockOffset(ordinal);
    const diskBytes = this.#index.diskBytes(ordinal);
    const memoryBytes = this.#index.memoryBytes(ordinal);
    const bytes = storedBuffer(diskBytes + BLOCK_TRAILER_BYTES);
    readExactly(fs, fd, path, bytes, diskBytes + BLOCK_TRAILER_BYTES, offset);
    unpackBlock(bytes, 0, diskBytes, memoryBytes, target, targetStart, path, offset);
    return memoryBytes;
  }

  /**
   * Like `iterator`, through a file that the cache keeps open. For a table that cannot be read, the cursor fails when
   * it is used.
   * @param cache where blocks are looked for first; null: nowhere
   */
  cursor(
    fs: FileSystem,
    descriptors: DescriptorCache,
    readaheadBytes: number,
    bound: KeyBound,
    isReverse: boolean,
    memory: WindowSource = OWN_WINDOWS,
    cache: BlockCacheReader | null = null,
  ): TableCursor {
    if (this.handle.fault !== null) return new UnreadableIterator(this.handle, bound, isReverse);
    const { path } = this.handle;
    const fd = descriptors.get(this.handle);
    const window = new BlockWindow(fs, fd, path, this.#index, readaheadBytes, isReverse, memory);
    if (cache === null) return this.walk(window, isReverse);
    return this.walk(new CachedWindow(cache, this.metadata.id, path, this.#index, window), isReverse);
  }

  /** A cursor in key order that passes over blocks that cannot be read: one at a time is read, so that no other suffers. */
  soundCursor(fs: FileSystem, descriptors: DescriptorCache): TableIterator {
    const fd = descriptors.get(this.handle);
    const blocks = new BlockWindow(fs, fd, this.handle.path, this.#index, 0, false);
    return new TableIterator(blocks, this.#index, true);
  }

  /**
   * A cursor over the whole table. It reads into memory of its own through `fd`, which must stay open.
   * @param readaheadBytes the most that one read may take, unless one block is larger; a seek reads one block, and each
   *   read that continues it twice as much as the one before
   */
  iterator(
    fs: FileSystem,
    fd: number,
    readaheadBytes: number,
    memory: WindowSource = OWN_WINDOWS,
  ): TableIterator {
    const { path } = this.handle;
    const blocks = new BlockWindow(fs, fd, path, this.#index, readaheadBytes, false, memory);
    return new TableIterator(blocks, this.#index);
  }

  /** A cursor over the table, in key order or against it, that takes its blocks from elsewhere. */
  walk(blocks: BlockSource, isReverse: boolean): TableIterator | ReverseTableIterator {
    this.load();
    return isReverse ? new ReverseTableIterator(blocks, this.#index) : new TableIterator(blocks, this.#index);
  }
}

function storedBuffer(lengthBytes: number): Uint8Array {
  const input = lz4Input();
  if (input !== null && lengthBytes <= input.length) return input;
  if (lengthBytes <= stored.length) return stored;
  if (lengthBytes > MAX_KEPT_BYTES) return new Uint8Array(lengthBytes);
  stored = new Uint8Array(Math.min(MAX_KEPT_BYTES, lengthBytes * 2));
  return stored;
}

import type { BlockCache } from '../cache/block-cache.ts';
import { ownBytes } from '../format/copy.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { BlockLoader } from '../sstable/block-loader.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LostVersions } from '../sstable/lost-versions.ts';
import { QuarantineLookup } from '../sstable/quarantine-lookup.ts';
import type { TableReader } from '../sstable/table-reader.ts';
import type { TableLookup, TableSet } from '../sstable/table-set.ts';
import type { Arenas } from './arenas.ts';
import { BlockingPages } from './blocking-pages.ts';

/** Main's place among the counters of reads, see control.ts. */
const MAIN_THREAD = 0;

/**
 * Reads tables on the main thread, for callers who would rather wait than have a promise: as a reader thread does it,
 * with files and buffers of its own. Blocks that deserve it go to the cache.
 */
export class BlockingReads {
  readonly #cache: BlockCache;
  readonly #descriptors: DescriptorCache;
  readonly #loader: BlockLoader;
  readonly #quarantine: QuarantineLookup;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  /** The record that was found is `bytes[start, end)`, until anything else is done. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  /** Pages of scans, by the same files. */
  readonly pages: BlockingPages;

  constructor(
    fs: FileSystem,
    words: Int32Array,
    maxOpenFiles: number,
    cache: BlockCache,
    cacheMemory: SharedArrayBuffer,
    arenas: Arenas,
  ) {
    this.#cache = cache;
    this.#descriptors = new DescriptorCache(fs, maxOpenFiles);
    this.#loader = new BlockLoader(fs, this.#descriptors, words, MAIN_THREAD);
    this.#quarantine = new QuarantineLookup(this.#loader, new LostVersions(fs, this.#descriptors));
    this.pages = new BlockingPages(fs, words, this.#descriptors, cacheMemory, arenas);
  }

  /**
   * Finds the record of a key, from the block at which the lookup stands on, which is not in the cache; false: no table
   * has it.
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  continue(lookup: TableLookup, key: Uint8Array): boolean {
    const isFound = this.#walk(lookup, key, false);
    this.#descriptors.trim();
    return isFound;
  }

  /** @param mayBeCached whether the first block may be in the cache */
  #walk(lookup: TableLookup, key: Uint8Array, mayBeCached: boolean): boolean {
    const hit = this.#hit;
    let isLookedFor = mayBeCached;
    do {
      this.#load(lookup.reader, lookup.ordinal, isLookedFor);
      isLookedFor = true;
      if (searchBlock(this.bytes, this.start, this.end, key, 0, key.length, hit)) {
        this.start = hit.recordStart;
        this.end = hit.recordEnd;
        return true;
      }
    } while (lookup.next());
    return false;
  }

  /**
   * Finds the record of a key that a table in quarantine may hold, too: versions decide. The lookup has just begun.
   * @throws LsmError as above
   */
  newest(lookup: TableLookup, tables: TableSet, key: Uint8Array): boolean {
    const isFound = lookup.next() && this.#walk(lookup, key, true);
    const found = isFound ? ownBytes(this.bytes, this.start, this.end) : undefined;
    const newest = this.#quarantine.newest(tables, key, 0, key.length, found);
    this.#descriptors.trim();
    if (this.#quarantine.lost !== undefined) throw this.#quarantine.lost;
    if (newest === undefined) return false;
    this.bytes = newest;
    this.start = 0;
    this.end = newest.length;
    return true;
  }

  /**
   * Puts a block into the cache that deserves a place there; false: there is no room now, or it is being filled.
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  cacheBlock(reader: TableReader, ordinal: number): boolean {
    const isCached = this.#fill(reader, ordinal) !== -1;
    this.#descriptors.trim();
    return isCached;
  }

  /** The table is gone, and so may be its file. */
  forget(tableId: number): void {
    this.#descriptors.forget(tableId);
  }

  close(): void {
    this.#descriptors.closeAll();
  }

  /** Loads a block: it is `bytes[start, end)` then. */
  #load(reader: TableReader, ordinal: number, mayBeCached: boolean): void {
    const cache = this.#cache;
    const { id } = reader.metadata;
    let slot = mayBeCached ? cache.find(id, ordinal) : -1;
    if (slot === -1 && cache.deserves(id, ordinal)) slot = this.#fill(reader, ordinal);
    if (slot === -1) {
      this.end = this.#loader.loadForNow(reader, ordinal);
      this.bytes = this.#loader.lent;
      this.start = 0;
      return;
    }
    this.bytes = cache.bytes;
    this.start = cache.dataStart(slot);
    this.end = cache.dataEnd(slot);
  }

  /** Reads a block into a place in the cache; returns its slot, -1: it got none. */
  #fill(reader: TableReader, ordinal: number): number {
    const cache = this.#cache;
    const slot = cache.reserve(reader.metadata.id, ordinal, reader.blockMemoryBytes(ordinal));
    if (slot === -1) return -1;
    try {
      this.#loader.loadInto(reader, ordinal, cache.bytes, cache.dataStart(slot));
    } catch (error) {
      cache.cancel(slot);
      throw error;
    }
    cache.publish(slot);
    return slot;
  }
}

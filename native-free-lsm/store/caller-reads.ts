import type { BlockCache } from '../cache/block-cache.ts';
import type { KeyCache } from '../cache/key-cache.ts';
import type { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { Page } from '../iterator/page.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import { isDamage } from '../sstable/damage.ts';
import type { TableSet } from '../sstable/table-set.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import type { ReadPoint, ScanPageRequest } from '../threads/protocol/reader-messages.ts';
import type { Arenas } from './arenas.ts';
import type { BlockingReads } from './blocking-reads.ts';
import { MemoryPages, type PagePoint } from './memory-pages.ts';
import { isHidden, MemorySearch, Reach } from './memory-search.ts';
import type { MissingBlock } from './memory-walk.ts';
import type { SnapshotPoint } from './store-snapshot.ts';
import type { SuperVersions } from './super-versions.ts';

/** So often a page that is read on the calling thread has blocks put into the cache. */
const MAX_TRIES = 4;

/**
 * What the calling thread does of reads itself: it looks into memory, and where it is to wait for the disk it goes on in
 * the tables. `snapshot` is null for the newest state. What a get has found is where `search` says until the next one.
 */
export class CallerReads {
  readonly #arenas: Arenas;
  readonly #superVersions: SuperVersions;
  readonly #blocking: BlockingReads;
  readonly #pages: MemoryPages;
  readonly #onDamage: (error: LsmError) => void;
  readonly search: MemorySearch;
  /** Why the last search that failed did. */
  searchFailure: LsmError | null = null;

  constructor(
    arenas: Arenas,
    superVersions: SuperVersions,
    cache: BlockCache,
    keys: KeyCache,
    blocking: BlockingReads,
    hashSeed: HashSeed,
    onDamage: (error: LsmError) => void,
  ) {
    this.#arenas = arenas;
    this.#superVersions = superVersions;
    this.#blocking = blocking;
    this.#pages = new MemoryPages(arenas, cache);
    this.#onDamage = onDamage;
    this.search = new MemorySearch(arenas, cache, keys, hashSeed);
  }

  /** Blocks that the page which was read last has missed, and that are to be in the cache. */
  get missing(): MissingBlock[] {
    return this.#pages.missing;
  }

  tables(snapshot: SnapshotPoint | null): TableSet {
    return snapshot === null ? this.#superVersions.current : snapshot.superVersion.tables;
  }

  currentPoint(): ReadPoint {
    const generation = this.#arenas.activeGeneration;
    const limit = this.#arenas.memtable(generation).publishedOffset;
    return { superVersionId: this.#superVersions.current.id, generation, limit };
  }

  /** How far memory goes. It fails, see `searchFailure`, where a table is not loaded yet, and cannot be. */
  find(key: Uint8Array, snapshot: SnapshotPoint | null): Reach {
    try {
      return this.search.find(key, snapshot, this.tables(snapshot));
    } catch (error) {
      this.searchFailure = this.#failure(error);
      return Reach.failed;
    }
  }

  /**
   * Goes on in the tables where `find` ended, at a missing block or before the tables.
   * @returns whether there is such a key
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  findOnDisk(reach: Reach, key: Uint8Array, snapshot: SnapshotPoint | null): boolean {
    try {
      const blocking = this.#blocking;
      const search = this.search;
      const { cover, lookup } = search;
      const isFound =
        reach === Reach.missingBlock
          ? blocking.continue(lookup, key)
          : blocking.newest(lookup, this.tables(snapshot), key);
      if (!isFound || isHidden(blocking.bytes, blocking.start, cover)) return false;
      search.bytes = blocking.bytes;
      search.start = blocking.start;
      search.end = blocking.end;
      return true;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * A record, wherever it is.
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  record(key: Uint8Array, snapshot: SnapshotPoint | null): Uint8Array | null {
    return this.#isThere(key, snapshot) ? this.search.copy() : null;
  }

  /**
   * As `record`, the value alone: nothing else is copied.
   * @param nowMs what values end by
   * @returns undefined when there is none, or it is deleted or has ended
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  value(key: Uint8Array, snapshot: SnapshotPoint | null, nowMs: () => number): Uint8Array | undefined {
    return this.#isThere(key, snapshot) ? this.search.copyValue(nowMs) : undefined;
  }

  #isThere(key: Uint8Array, snapshot: SnapshotPoint | null): boolean {
    // Such a key can never have been written.
    if (key.length > MAX_KEY_BYTES) return false;
    const reach = this.find(key, snapshot);
    if (reach === Reach.failed) throw this.searchFailure;
    return reach === Reach.found || (reach !== Reach.absent && this.findOnDisk(reach, key, snapshot));
  }

  /**
   * A page of a scan from memory; null: it has not all that it takes.
   * @throws LsmError CORRUPTION, IO_ERROR: a table could not be loaded
   */
  pageOfMemory(request: ScanPageRequest, snapshot: SnapshotPoint | null): Page | null {
    try {
      return this.#pages.read(request, this.#pagePoint(snapshot));
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * A page that memory did not have when it was asked for last, once the blocks that deserve a place in the cache are
   * there; null: others are missing then.
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  pageOfCache(request: ScanPageRequest, snapshot: SnapshotPoint | null): Page | null {
    try {
      const point = this.#pagePoint(snapshot);
      let page: Page | null = null;
      for (let tries = 0; page === null && tries < MAX_TRIES && this.#cacheMissing(); tries++)
        page = this.#pages.read(request, point);
      return page;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * A page, wherever its entries are.
   * @param request without an encoder
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  page(request: ScanPageRequest, snapshot: SnapshotPoint | null): Page {
    const page = this.pageOfMemory(request, snapshot) ?? this.pageOfCache(request, snapshot);
    this.missing.length = 0;
    if (page !== null) return page;
    try {
      return this.#blocking.pages.read(request, this.#pagePoint(snapshot));
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Reads the blocks that a page has missed into the cache; false: that did not give all of them. */
  #cacheMissing(): boolean {
    const { missing } = this.#pages;
    return (
      missing.length > 0 && missing.every(({ ordinal, reader }) => this.#blocking.cacheBlock(reader, ordinal))
    );
  }

  #pagePoint(snapshot: SnapshotPoint | null): PagePoint {
    const { generation, limit } = snapshot ?? this.currentPoint();
    return { tables: this.tables(snapshot), generation, limit };
  }

  /** What was thrown as a table was read. */
  #failure(error: unknown): LsmError {
    const failure = toLsmError(error, 'reading a table');
    if (isDamage(failure)) this.#onDamage(failure);
    return failure;
  }
}

import { BlockCacheReader } from '../cache/block-cache-reader.ts';
import { ownBytes, withRoom } from '../format/copy.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { Page } from '../iterator/page.ts';
import type { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { PageMaker } from '../threads/page-maker.ts';
import {
  decodePageRequest,
  encodePageRequest,
  PointedPageRequest,
  pageRequestBytes,
  type ScanPageRequest,
} from '../threads/protocol/reader-messages.ts';
import type { Arenas } from './arenas.ts';
import type { PagePoint } from './memory-pages.ts';
import { copyOut } from './memory-search.ts';

/** The memory in which larger pages are made is not kept. */
const MAX_KEPT_BYTES = 256 * 1024;

/** Makes pages of scans on the main thread, as a reader does it, for callers who would rather wait than have a promise. */
export class BlockingPages {
  readonly #descriptors: DescriptorCache;
  readonly #maker: PageMaker;
  readonly #pointed = new PointedPageRequest();
  /** The request as a reader gets it: both read it in one way. */
  #request: Uint8Array = new Uint8Array(0);
  #scratch: Uint8Array = new Uint8Array(0);

  constructor(
    fs: FileSystem,
    words: Int32Array,
    descriptors: DescriptorCache,
    cacheMemory: SharedArrayBuffer,
    arenas: Arenas,
  ) {
    this.#descriptors = descriptors;
    // While a page is made nothing else of this thread runs, so no region of the cache is reused.
    const cache = new BlockCacheReader(cacheMemory);
    this.#maker = new PageMaker(fs, words, descriptors, cache, (generation) => arenas.memtable(generation));
  }

  /**
   * @param request without an encoder
   * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR
   */
  read(request: ScanPageRequest, { generation, limit, tables }: PagePoint): Page {
    this.#request = withRoom(this.#request, 0, pageRequestBytes(request));
    encodePageRequest(this.#request, 0, { superVersionId: tables.id, generation, limit }, request);
    decodePageRequest(this.#request, 0, this.#pointed);
    const maker = this.#maker;
    try {
      maker.begin(tables, this.#pointed, this.#request, null);
      const roomBytes = Math.max(request.maxBytes, maker.firstEntryBytes);
      const target = withRoom(this.#scratch, 0, roomBytes);
      if (target.length <= MAX_KEPT_BYTES) this.#scratch = target;
      const usedBytes = maker.fill(target, 0, roomBytes);
      const resumeAt = maker.hasMore ? ownBytes(maker.keyBytes, maker.keyStart, maker.keyEnd) : null;
      return new Page(copyOut(target, 0, usedBytes), usedBytes, resumeAt);
    } finally {
      maker.end();
      this.#descriptors.trim();
    }
  }
}

import type { BlockCacheReader } from '../cache/block-cache-reader.ts';
import { corruption } from '../errors.ts';
import type { BlockSource } from './block-source.ts';
import type { TableIndex } from './table-index.ts';

/** The blocks of a table from the cache, as far as they are there, and else from its file. Nothing goes into the cache. */
export class CachedWindow implements BlockSource {
  bytes: Uint8Array;
  start = 0;
  end = 0;
  ordinal = 0;
  readonly #cache: BlockCacheReader;
  readonly #tableId: number;
  readonly #path: string;
  readonly #index: TableIndex;
  readonly #file: BlockSource;

  /** @param file gives the others */
  constructor(cache: BlockCacheReader, tableId: number, path: string, index: TableIndex, file: BlockSource) {
    this.bytes = file.bytes;
    this.#cache = cache;
    this.#tableId = tableId;
    this.#path = path;
    this.#index = index;
    this.#file = file;
  }

  expectWalk(): void {
    this.#file.expectWalk();
  }

  expectSeek(): void {
    this.#file.expectSeek();
  }

  enter(ordinal: number): void {
    this.ordinal = ordinal;
    const cache = this.#cache;
    if (cache.find(this.#tableId, ordinal)) {
      this.bytes = cache.bytes;
      this.start = cache.dataStart;
      this.end = cache.dataEnd;
      return;
    }
    const file = this.#file;
    file.enter(ordinal);
    this.bytes = file.bytes;
    this.start = file.start;
    this.end = file.end;
  }

  damaged(fault: string): Error {
    return corruption(this.#path, this.#index.blockOffset(this.ordinal), fault);
  }
}

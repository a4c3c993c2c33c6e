import { readUint32 } from '../format/integers.ts';

/**
 * A piece of a scan: entries in key order, packed one behind another as they cross threads, so that a page is one
 * piece of memory and no object is made for an entry. Walk it with `next`; once. A page that was asked for with a
 * encoder holds what iterator/entry-encoder.ts tells instead, to be passed on as it is.
 *
 *   u32 key length, u32 record length, key, record      little-endian, no padding
 */
export const PAGE_ENTRY_HEADER_BYTES = 8;

/** Where the memory of a page goes when nobody needs it any more. */
export interface PageMemoryOwner {
  give(bytes: Uint8Array): void;
}

/**
 * Dispose of a page that has been walked, and its memory serves for another; nothing of it may be used then. One
 * that is forgotten instead costs the garbage collector more than reading it did.
 */
export class Page implements Disposable {
  readonly bytes: Uint8Array;
  /** Of `bytes`: where its entries end. */
  readonly usedBytes: number;
  /** The key to go on from, inclusive; null: the scan has reached its end. Memory of its own. */
  readonly resumeAt: Uint8Array | null;
  /** The current entry: key `bytes[keyStart, keyEnd)`, record `bytes[recordStart, recordEnd)`. */
  keyStart = 0;
  keyEnd = 0;
  recordStart = 0;
  recordEnd = 0;
  #owner: PageMemoryOwner | null;

  constructor(
    bytes: Uint8Array,
    usedBytes: number,
    resumeAt: Uint8Array | null,
    owner: PageMemoryOwner | null = null,
  ) {
    this.bytes = bytes;
    this.usedBytes = usedBytes;
    this.resumeAt = resumeAt;
    this.#owner = owner;
  }

  /** Moves to the next entry; false behind the last. */
  next(): boolean {
    const at = this.recordEnd;
    if (at === this.usedBytes) return false;
    const bytes = this.bytes;
    this.keyStart = at + PAGE_ENTRY_HEADER_BYTES;
    this.keyEnd = this.keyStart + readUint32(bytes, at);
    this.recordStart = this.keyEnd;
    this.recordEnd = this.keyEnd + readUint32(bytes, at + 4);
    return true;
  }

  [Symbol.dispose](): void {
    this.#owner?.give(this.bytes);
    this.#owner = null;
  }
}

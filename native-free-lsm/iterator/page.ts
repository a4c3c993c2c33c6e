import { readUint32 } from '../format/integers.ts';

/**
 * A piece of a scan: entries in its order, packed one behind another as they cross threads, so that a page is one
 * piece of memory and no object is made for an entry. Walk it once, with `next`. A page that was asked for with an
 * encoder holds what iterator/entry-encoder.ts describes instead, to be passed on unchanged.
 *
 *   u32 key length, u32 record length, key, record      little-endian, no padding
 */
export const PAGE_ENTRY_HEADER_BYTES = 8;

/** Takes the memory of a page back when nobody needs it any more. */
export interface PageMemoryOwner {
  give(bytes: Uint8Array): void;
}

/**
 * Disposing of a page that has been walked lets its memory serve for another one; do not use it afterwards. A page that
 * is only dropped costs the garbage collector more than reading it did.
 */
export class Page implements Disposable {
  readonly bytes: Uint8Array;
  /** The index in `bytes` where the entries end. */
  readonly usedBytes: number;
  /**
   * The key to continue from, inclusive, in memory of its own; null: the scan has reached its end. Of a reverse scan,
   * the next page's first entry, so its `end` is the key behind this one (`keyBehind`).
   */
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

  /** Moves to the next entry; returns false behind the last. */
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

import { copyBytes } from '../format/bytes.ts';
import { readUint32, writeUint32 } from '../format/record.ts';

/**
 * A piece of a scan: entries in key order, packed one behind another as they cross threads, so that a page is one
 * piece of memory and no object is made for an entry. Walk it with `next`; once.
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
  readonly entries: number;
  /** The scan has reached its end. */
  readonly done: boolean;
  /** The last key looked at when not done: where to go on, exclusive. Memory of its own. */
  readonly resumeAfter: Uint8Array | null;
  /** The current entry: key `bytes[keyStart, keyEnd)`, record `bytes[recordStart, recordEnd)`. */
  keyStart = 0;
  keyEnd = 0;
  recordStart = 0;
  recordEnd = 0;
  #owner: PageMemoryOwner | null;

  constructor(
    bytes: Uint8Array,
    usedBytes: number,
    entries: number,
    done: boolean,
    resumeAfter: Uint8Array | null,
    owner: PageMemoryOwner | null = null,
  ) {
    this.bytes = bytes;
    this.usedBytes = usedBytes;
    this.entries = entries;
    this.done = done;
    this.resumeAfter = resumeAfter;
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

/** A page of entries that lie about: for stores that keep them as objects. */
export function packPage(
  entries: readonly (readonly [key: Uint8Array, record: Uint8Array])[],
  done: boolean,
  resumeAfter: Uint8Array | null,
): Page {
  let length = 0;
  for (const [key, record] of entries) length += PAGE_ENTRY_HEADER_BYTES + key.length + record.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const [key, record] of entries) {
    writeUint32(bytes, at, key.length);
    writeUint32(bytes, at + 4, record.length);
    at += PAGE_ENTRY_HEADER_BYTES;
    copyBytes(key, 0, key.length, bytes, at);
    at += key.length;
    copyBytes(record, 0, record.length, bytes, at);
    at += record.length;
  }
  return new Page(bytes, length, entries.length, done, resumeAfter);
}

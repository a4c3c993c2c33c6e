import { copyBytes } from '../format/bytes.ts';
import { writeUint32 } from '../format/integers.ts';
import { isLive, isTombstone, recordValueStart } from '../format/record.ts';
import type { EntryEncoder } from './entry-encoder.ts';
import { PAGE_ENTRY_HEADER_BYTES } from './page.ts';

const NO_LIMIT = 0xffff_ffff;

/** What a page may hold. */
interface PageContents {
  /** How many entries it may look at, including those that it skips: a long run of deletions must not take for ever. */
  readonly maxEntries: number;
  /** How many entries it may have; left out: as many as fit. */
  readonly limit?: number;
  /** Only without an encoder. */
  readonly includeTombstones: boolean;
  /** Only without an encoder: of each record the header alone. */
  readonly keysOnly?: boolean;
  /** Null: keys and records packed as page.ts draws them. */
  readonly encoder: EntryEncoder | null;
  /** With an encoder: entries that have expired by this time are left out. */
  readonly nowMs: number;
}

/** Writes the entries of a page to where they belong, for example into the ring that brings them to another thread. */
export class PageBuilder {
  bytes: Uint8Array = new Uint8Array(0);
  /** The index in `bytes` behind the last entry. */
  at = 0;
  #bytesEnd = 0;
  #looksLeft = 0;
  #entriesLeft = 0;
  #includesTombstones = false;
  #keysOnly = false;
  #encoder: EntryEncoder | null = null;
  #nowMs = 0;

  /** Entries go to `bytes[start, end)`. */
  begin(bytes: Uint8Array, start: number, end: number, contents: PageContents): void {
    this.bytes = bytes;
    this.at = start;
    this.#bytesEnd = end;
    this.#looksLeft = contents.maxEntries;
    this.#entriesLeft = contents.limit ?? NO_LIMIT;
    this.#includesTombstones = contents.includeTombstones;
    this.#keysOnly = contents.keysOnly ?? false;
    this.#encoder = contents.encoder;
    this.#nowMs = contents.nowMs;
  }

  /** Whether it has as many entries as it may have. */
  get isFull(): boolean {
    return this.#entriesLeft === 0;
  }

  /** Takes an entry or skips it; returns false when the page ends before it. */
  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): boolean {
    if (this.#looksLeft === 0 || this.#entriesLeft === 0) return false;
    const encoder = this.#encoder;
    if (encoder === null) {
      const isPassedOver = !this.#includesTombstones && isTombstone(recordBytes, recordStart);
      if (!isPassedOver && !this.#pack(keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd))
        return false;
    } else if (
      isLive(recordBytes, recordStart, this.#nowMs) &&
      !this.#encode(encoder, keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd)
    ) {
      return false;
    }
    this.#looksLeft--;
    return true;
  }

  #pack(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): boolean {
    const { bytes, at } = this;
    const keyLength = keyEnd - keyStart;
    const copiedEnd = this.#keysOnly ? recordValueStart(recordBytes, recordStart) : recordEnd;
    const recordLength = copiedEnd - recordStart;
    const keyAt = at + PAGE_ENTRY_HEADER_BYTES;
    const recordAt = keyAt + keyLength;
    if (recordAt + recordLength > this.#bytesEnd) return false;
    writeUint32(bytes, at, keyLength);
    writeUint32(bytes, at + 4, recordLength);
    copyBytes(keyBytes, keyStart, keyEnd, bytes, keyAt);
    copyBytes(recordBytes, recordStart, copiedEnd, bytes, recordAt);
    this.at = recordAt + recordLength;
    this.#entriesLeft--;
    return true;
  }

  #encode(
    encoder: EntryEncoder,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): boolean {
    const { bytes } = this;
    const keyLength = keyEnd - keyStart;
    const valueStart = recordValueStart(recordBytes, recordStart);
    const valueLength = recordEnd - valueStart;
    if (this.at + keyLength + valueLength + encoder.overheadBytes > this.#bytesEnd) return false;
    let at = encoder.writeHead(bytes, this.at, keyLength, valueLength);
    copyBytes(keyBytes, keyStart, keyEnd, bytes, at);
    at = encoder.writeMiddle(bytes, at + keyLength, valueLength);
    copyBytes(recordBytes, valueStart, recordEnd, bytes, at);
    this.at = encoder.writeTail(bytes, at + valueLength);
    this.#entriesLeft--;
    return true;
  }
}

/** An upper bound of the room that an entry needs, in every layout. */
export function pageEntryBytes(keyBytes: number, recordBytes: number, encoder: EntryEncoder | null): number {
  return keyBytes + recordBytes + Math.max(PAGE_ENTRY_HEADER_BYTES, encoder?.overheadBytes ?? 0);
}

import { compareBytes, copyBytes } from '../format/bytes.ts';
import { withRoom } from '../format/copy.ts';
import { readUint32 } from '../format/integers.ts';
import { readVarint, varintBytes } from '../format/varint.ts';
import type { RecordCursor } from '../iterator/record-iterator.ts';

/**
 * A data block in memory: entries in ascending order of keys, then where a search may begin. After LevelDB's
 * block; FORMAT.md draws it.
 *
 *   entry    varint shared     leading bytes the key has in common with the key before it, or, at a restart point,
 *                              with the first key of the block; 0 in the first entry
 *            varint unshared   bytes of the key that follow
 *            varint record     bytes of the record (format/record.ts) that follow the key's
 *            unshared key bytes, record bytes
 *   …
 *   u32 × n  restart points: offsets of entries, counted from the block's start; the first is 0
 *   u32      n, at least 1
 *
 * One key stands whole in a block, however long the keys are. (LevelDB has a whole one at each restart point.) As
 * keys ascend, the bytes that a key shares with the first one, all keys between the two have as well: whoever goes
 * from entry to entry need not know which of them are restart points.
 */
export const RESTART_BYTES = 4;

/** Where a search found its record. One object is used again and again. */
export interface BlockHit {
  recordStart: number;
  recordEnd: number;
}

/** Says what is wrong with the frame of the block in `bytes[start, end)`; undefined when nothing is. */
export function blockFault(bytes: Uint8Array, start: number, end: number): string | undefined {
  const lengthBytes = end - start;
  if (lengthBytes < 2 * RESTART_BYTES) return `a block of ${lengthBytes} bytes has no restart points`;
  const restarts = readUint32(bytes, end - RESTART_BYTES);
  if (restarts === 0) return 'a block without restart points';
  if ((restarts + 1) * RESTART_BYTES > lengthBytes)
    return `${restarts} restart points do not fit in the block`;
  return undefined;
}

/**
 * Searches `key[keyStart, keyEnd)` in the block `bytes[start, end)`, which may be in shared memory and whose checksum
 * has been verified. On success the record is `bytes[hit.recordStart, hit.recordEnd)`.
 *
 * No key is put together and nothing is allocated: the search only tracks how many leading bytes the wanted key has in
 * common with a smaller one, at first the block's first key, then the entry before.
 */
export function searchBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  hit: BlockHit,
): boolean {
  const restarts = readUint32(bytes, end - RESTART_BYTES);
  const entriesEnd = end - RESTART_BYTES - restarts * RESTART_BYTES;
  const keyLength = keyEnd - keyStart;
  // The first byte of the first entry is its shared length, 0.
  let unshared = bytes[start + 1];
  let recordLength = bytes[start + 2];
  let next = start + 3;
  if ((unshared | recordLength) >= 0x80) {
    unshared = readVarint(bytes, start + 1);
    next = start + 1 + varintBytes(unshared);
    recordLength = readVarint(bytes, next);
    next += varintBytes(recordLength);
  }
  let comparable = Math.min(unshared, keyLength);
  let matched = 0;
  while (matched < comparable && bytes[next + matched] === key[keyStart + matched]) matched++;
  if (matched === comparable) {
    if (unshared >= keyLength) {
      hit.recordStart = next + unshared;
      hit.recordEnd = hit.recordStart + recordLength;
      return unshared === keyLength;
    }
  } else if (bytes[next + matched] > key[keyStart + matched]) {
    return false;
  }
  const restart = findRestart(bytes, start, entriesEnd, restarts, key, keyStart, keyEnd, matched);
  let at =
    restart === 0
      ? next + unshared + recordLength
      : start + readUint32(bytes, entriesEnd + restart * RESTART_BYTES);
  const limit =
    restart + 1 < restarts
      ? start + readUint32(bytes, entriesEnd + (restart + 1) * RESTART_BYTES)
      : entriesEnd;
  while (at < limit) {
    let shared = bytes[at];
    unshared = bytes[at + 1];
    recordLength = bytes[at + 2];
    next = at + 3;
    if ((shared | unshared | recordLength) >= 0x80) {
      shared = readVarint(bytes, at);
      next = at + varintBytes(shared);
      unshared = readVarint(bytes, next);
      next += varintBytes(unshared);
      recordLength = readVarint(bytes, next);
      next += varintBytes(recordLength);
    }
    const recordStart = next + unshared;
    // It shares fewer bytes with the entry before than that entry shares with the wanted key, so it is above.
    if (shared < matched) return false;
    if (shared === matched) {
      const length = shared + unshared;
      comparable = Math.min(length, keyLength);
      const suffix = next - shared;
      while (matched < comparable && bytes[suffix + matched] === key[keyStart + matched]) matched++;
      if (matched === comparable) {
        if (length === keyLength) {
          hit.recordStart = recordStart;
          hit.recordEnd = recordStart + recordLength;
          return true;
        }
        if (length > keyLength) return false;
      } else if (bytes[suffix + matched] > key[keyStart + matched]) {
        return false;
      }
    }
    // It shares more bytes than that: it differs from the wanted key where the entry before did, so it is below too.
    at = recordStart + recordLength;
  }
  return false;
}

/**
 * The last restart point whose key is at or below the wanted key, which is above the block's first key.
 * @param matched how many leading bytes the wanted key has in common with the first one
 */
export function findRestart(
  bytes: Uint8Array,
  start: number,
  restartsStart: number,
  restarts: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  matched: number,
): number {
  let low = 0;
  let high = restarts - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const at = start + readUint32(bytes, restartsStart + middle * RESTART_BYTES);
    let shared = bytes[at];
    let unsharedAt = at + 1;
    if (shared >= 0x80) {
      shared = readVarint(bytes, at);
      unsharedAt = at + varintBytes(shared);
    }
    // Where the entry differs from the first key, either the wanted key does not differ yet (the entry is above), or it
    // differs already (the entry is below).
    if (shared !== matched) {
      if (shared < matched) high = middle - 1;
      else low = middle;
      continue;
    }
    const unshared = readVarint(bytes, unsharedAt);
    const recordAt = unsharedAt + varintBytes(unshared);
    const suffix = recordAt + varintBytes(readVarint(bytes, recordAt));
    if (compareBytes(bytes, suffix, suffix + unshared, key, keyStart + matched, keyEnd) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Steps through the entries of one block and puts their keys together in a buffer of its own. Unlike `searchBlock` it
 * trusts no length: `fault` says why it stopped too early.
 */
export class BlockCursor implements RecordCursor {
  valid = false;
  /** The current key is `keyBytes[0, keyEnd)`. */
  keyBytes: Uint8Array = new Uint8Array(256);
  readonly keyStart = 0;
  keyEnd = 0;
  /** The block. */
  recordBytes: Uint8Array = new Uint8Array(0);
  recordStart = 0;
  recordEnd = 0;
  fault: string | undefined = undefined;
  #start = 0;
  #entriesEnd = 0;
  #restarts = 0;
  /**
   * How many leading bytes the current key has in common with the one at which the cursor was before, be it in another
   * block.
   */
  sharedBytes = 0;
  /** How many leading bytes the current key was stored without, see above. */
  #shared = 0;
  /** Of the key that is in `keyBytes`; `keyEnd` says it only while there is an entry. */
  #keyLength = 0;

  /** Starts on the block `bytes[start, end)`, in which `blockFault` found nothing. It is at no entry then. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.recordBytes = bytes;
    this.#start = start;
    this.#restarts = readUint32(bytes, end - RESTART_BYTES);
    this.#entriesEnd = end - RESTART_BYTES - this.#restarts * RESTART_BYTES;
    this.valid = false;
    this.fault = undefined;
  }

  /** Drops the reference to the block, so that its memory may be used for another. */
  clear(): void {
    this.valid = false;
    this.fault = undefined;
  }

  seekToFirst(): void {
    this.keyEnd = 0;
    this.#decode(this.#start);
  }

  /** Moves to the first entry at or above `key[start, end)`; it is invalid when this block has none. */
  seek(key: Uint8Array, start: number, end: number): void {
    this.seekToFirst();
    let matched = this.#matchFrom(0, key, start, end);
    if (matched < 0) return;
    const restartsStart = this.#entriesEnd;
    const restart = findRestart(
      this.recordBytes,
      this.#start,
      restartsStart,
      this.#restarts,
      key,
      start,
      end,
      matched,
    );
    // The bytes that the restart entry shares must be in `keyBytes`: the first key has them.
    if (restart === 0) this.next();
    else this.#decode(this.#start + readUint32(this.recordBytes, restartsStart + restart * RESTART_BYTES));
    // The same comparison as in searchBlock.
    for (; this.valid; this.next()) {
      if (this.#shared > matched) continue;
      if (this.#shared < matched) return;
      matched = this.#matchFrom(matched, key, start, end);
      if (matched < 0) return;
    }
  }

  /**
   * How many leading bytes the current key has in common with a wanted key above it, of which `from` are known; -1 when
   * the current key is at or above the wanted one.
   */
  #matchFrom(from: number, key: Uint8Array, start: number, end: number): number {
    if (!this.valid) return -1;
    const { keyBytes, keyEnd } = this;
    const wanted = end - start;
    const comparable = Math.min(keyEnd, wanted);
    let matched = from;
    while (matched < comparable && keyBytes[matched] === key[start + matched]) matched++;
    const isBelow = matched === comparable ? keyEnd < wanted : keyBytes[matched] < key[start + matched];
    return isBelow ? matched : -1;
  }

  next(): void {
    this.#decode(this.recordEnd);
  }

  #decode(at: number): void {
    this.valid = false;
    if (at === this.#entriesEnd) return;
    const bytes = this.recordBytes;
    let shared = bytes[at];
    let unshared = bytes[at + 1];
    let recordLength = bytes[at + 2];
    let suffix = at + 3;
    if ((shared | unshared | recordLength) >= 0x80) {
      shared = readVarint(bytes, at);
      suffix = at + varintBytes(shared);
      unshared = readVarint(bytes, suffix);
      suffix += varintBytes(unshared);
      recordLength = readVarint(bytes, suffix);
      suffix += varintBytes(recordLength);
    }
    const recordStart = suffix + unshared;
    const recordEnd = recordStart + recordLength;
    if (
      shared < 0 ||
      unshared < 0 ||
      recordLength < 0 ||
      shared > this.keyEnd ||
      recordEnd > this.#entriesEnd
    ) {
      this.fault = `the entry ${at - this.#start} bytes into the block does not fit in it`;
      return;
    }
    const keyEnd = shared + unshared;
    this.sharedBytes =
      shared < this.#keyLength && this.keyBytes[shared] === bytes[suffix]
        ? this.#countShared(suffix, shared, Math.min(keyEnd, this.#keyLength))
        : shared;
    this.#keyLength = keyEnd;
    this.keyBytes = withRoom(this.keyBytes, shared, keyEnd);
    copyBytes(bytes, suffix, recordStart, this.keyBytes, shared);
    this.#shared = shared;
    this.keyEnd = keyEnd;
    this.recordStart = recordStart;
    this.recordEnd = recordEnd;
    this.valid = true;
  }

  /** A block says it for each entry but the first and those at restart points, which may have more in common. */
  #countShared(suffix: number, stored: number, limit: number): number {
    const bytes = this.recordBytes;
    const keyBytes = this.keyBytes;
    let shared = stored;
    while (shared < limit && keyBytes[shared] === bytes[suffix - stored + shared]) shared++;
    return shared;
  }
}

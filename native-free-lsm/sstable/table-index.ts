import { compareBytes, copyBytes } from '../format/bytes.ts';
import { withRoom } from '../format/copy.ts';

/**
 * The index of a table: for each data block a key at or above all of its keys and under all of the next one's
 * (the last block has its last key), and where the block lies. The bytes of the file are the form in memory:
 *
 *   u32       n, data blocks, at least 1
 *   16 × n    u32 key       where its key starts, counted from the index's start; it ends where the next starts
 *             u32 offset    where the block starts in the file
 *             u32 disk      bytes of the block in the file, its trailer not counted
 *             u32 memory    bytes of the block in memory, uncompressed
 *   u32       where the last key ends: the end of the index
 *   keys      one after another
 *
 * Numbers are read through a Uint32Array: little-endian, as in the file, on every processor Node runs on but
 * s390x, which is not supported.
 */
const ENTRY_WORDS = 4;
const KEY = 1;
const OFFSET = 2;
const DISK = 3;
const MEMORY = 4;
const ENTRIES_AT_START = 1024;

/** A view of a stored index, free of any state of its own: each thread makes one. */
export class TableIndex {
  readonly blockCount: number;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;

  /** @param memory an index in which `indexFault` found nothing */
  constructor(memory: SharedArrayBuffer) {
    this.#bytes = new Uint8Array(memory);
    this.#words = new Uint32Array(memory, 0, memory.byteLength >>> 2);
    this.blockCount = this.#words[0];
  }

  blockOffset(ordinal: number): number {
    return this.#words[ordinal * ENTRY_WORDS + OFFSET];
  }

  diskBytes(ordinal: number): number {
    return this.#words[ordinal * ENTRY_WORDS + DISK];
  }

  memoryBytes(ordinal: number): number {
    return this.#words[ordinal * ENTRY_WORDS + MEMORY];
  }

  /** Whether all keys of a block lie below `key[start, end)`; may say no when they do. */
  isBelow(ordinal: number, key: Uint8Array, start: number, end: number): boolean {
    const keyStart = this.#words[ordinal * ENTRY_WORDS + KEY];
    const keyEnd = this.#words[ordinal * ENTRY_WORDS + ENTRY_WORDS + KEY];
    return compareBytes(this.#bytes, keyStart, keyEnd, key, start, end) < 0;
  }

  /** The first block whose key is at or above `key[start, end)`, -1 when there is none. */
  find(key: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    const bytes = this.#bytes;
    const keyLength = end - start;
    let low = 0;
    let high = this.blockCount;
    // Every key between two others has at least as much in common with the wanted one as the lesser of them.
    let lowShared = 0;
    let highShared = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entryStart = words[middle * ENTRY_WORDS + KEY];
      const entryLength = words[middle * ENTRY_WORDS + ENTRY_WORDS + KEY] - entryStart;
      const comparable = Math.min(entryLength, keyLength);
      let shared = Math.min(lowShared, highShared);
      while (shared < comparable && bytes[entryStart + shared] === key[start + shared]) shared++;
      const below =
        shared === comparable ? entryLength < keyLength : bytes[entryStart + shared] < key[start + shared];
      if (below) {
        low = middle + 1;
        lowShared = shared;
      } else {
        high = middle;
        highShared = shared;
      }
    }
    return low < this.blockCount ? low : -1;
  }
}

/**
 * What is wrong with a stored index, or undefined when nothing is.
 * @param dataBytes bytes of the file that its data blocks must fill without gaps
 * @param trailerBytes what follows each block in the file
 */
export function indexFault(
  memory: SharedArrayBuffer,
  dataBytes: number,
  trailerBytes: number,
): string | undefined {
  const words = new Uint32Array(memory, 0, memory.byteLength >>> 2);
  const blocks = words.length < 1 ? 0 : words[0];
  if (blocks === 0) return 'an index without blocks';
  const keysStart = (blocks * ENTRY_WORDS + 2) * 4;
  if (keysStart > memory.byteLength)
    return `${blocks} blocks do not fit in an index of ${memory.byteLength} bytes`;
  let fileOffset = 0;
  let keyOffset = keysStart;
  for (let entry = 0; entry < blocks * ENTRY_WORDS; entry += ENTRY_WORDS) {
    const ordinal = entry / ENTRY_WORDS;
    if (words[entry + OFFSET] !== fileOffset)
      return `block ${ordinal} does not start where the one before it ends`;
    if (words[entry + DISK] > words[entry + MEMORY])
      return `block ${ordinal} is larger in the file than in memory`;
    if (words[entry + KEY] < keyOffset) return `the key of block ${ordinal} is not where it should be`;
    fileOffset += words[entry + DISK] + trailerBytes;
    keyOffset = words[entry + KEY];
  }
  if (words[KEY] !== keysStart || words[blocks * ENTRY_WORDS + KEY] !== memory.byteLength) {
    return 'the keys of the index do not fill it';
  }
  if (keyOffset > memory.byteLength) return 'the last key of the index does not fit in it';
  if (fileOffset !== dataBytes)
    return `blocks of ${fileOffset} bytes in a file with ${dataBytes} bytes of them`;
  return undefined;
}

/** Puts an index together while its table is written. */
export class TableIndexBuilder {
  #blocks = 0;
  #words = new Uint32Array(ENTRIES_AT_START * ENTRY_WORDS);
  #keys: Uint8Array = new Uint8Array(ENTRIES_AT_START * 16);
  #keysEnd = 0;

  get sizeBytes(): number {
    return (this.#blocks * ENTRY_WORDS + 2) * 4 + this.#keysEnd;
  }

  addBlock(offset: number, diskBytes: number, memoryBytes: number): void {
    const entry = this.#blocks * ENTRY_WORDS;
    if (entry === this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    // Where keys start is known once all blocks are.
    this.#words[entry] = this.#keysEnd;
    this.#words[entry + 1] = offset;
    this.#words[entry + 2] = diskBytes;
    this.#words[entry + 3] = memoryBytes;
    this.#blocks++;
  }

  /** Makes room for the key of the block added last: write it to `bytes` at `keyStart`, then call `endKey`. */
  reserveKey(lengthBytes: number): Uint8Array {
    this.#keys = withRoom(this.#keys, this.#keysEnd, this.#keysEnd + lengthBytes);
    return this.#keys;
  }

  get keyStart(): number {
    return this.#keysEnd;
  }

  endKey(keyEnd: number): void {
    this.#keysEnd = keyEnd;
  }

  /** The index as it is stored. */
  finish(): Uint8Array {
    const words = new Uint32Array(this.#blocks * ENTRY_WORDS + 2);
    const keysStart = words.byteLength;
    const bytes = new Uint8Array(keysStart + this.#keysEnd);
    words[0] = this.#blocks;
    words.set(this.#words.subarray(0, this.#blocks * ENTRY_WORDS), 1);
    for (let block = 0; block < this.#blocks; block++) words[block * ENTRY_WORDS + KEY] += keysStart;
    words[this.#blocks * ENTRY_WORDS + KEY] = bytes.length;
    bytes.set(new Uint8Array(words.buffer), 0);
    copyBytes(this.#keys, 0, this.#keysEnd, bytes, keysStart);
    return bytes;
  }
}

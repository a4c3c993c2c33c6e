import { copyBytes } from '../format/bytes.ts';
import { withRoom } from '../format/copy.ts';
import { writeUint32 } from '../format/integers.ts';
import { varintBytes, writeVarint } from '../format/varint.ts';
import { RESTART_BYTES } from './block.ts';
import { Spares } from './spares.ts';

const NO_KEYS_SHARE = 0x7fffffff;
const FIRST_BYTES = 16 * 1024;
/** The memory of a block with a huge record is not kept. */
const MAX_KEPT_BYTES = 128 * 1024;

const spares = new Spares<Uint8Array>(() => new Uint8Array(FIRST_BYTES));

/** Builds one block after another in memory that it keeps; block.ts describes a block. */
export class BlockBuilder {
  /** The block so far; after `finish` the whole block is `bytes[0, sizeBytes)`. It is replaced when it grows. */
  bytes: Uint8Array;
  entries = 0;
  readonly #restartInterval: number;
  #restarts = new Uint32Array(64);
  #restartCount = 0;
  #entriesBytes = 0;
  /** How many leading bytes all keys of the block have in common, once it has two. */
  #sharedByAll = NO_KEYS_SHARE;
  #firstKeyBytes = 0;

  constructor(restartInterval: number, blockSizeBytes: number) {
    this.#restartInterval = restartInterval;
    this.bytes = withRoom(spares.take(), 0, blockSizeBytes * 2);
  }

  /** Call it once, when it is not used any more: its memory then serves for another. */
  release(): void {
    if (this.bytes.length <= MAX_KEPT_BYTES) spares.giveBack(this.bytes);
  }

  /** The size of the block if it were finished now. */
  get sizeBytes(): number {
    return this.#entriesBytes + (this.#restartCount + 1) * RESTART_BYTES;
  }

  /** The size of the block's first key, which is stored whole. */
  get firstKeyBytes(): number {
    return this.#firstKeyBytes;
  }

  /** The size of the block if this entry were added and the block finished then. */
  sizeWithBytes(shared: number, keyLength: number, recordLength: number): number {
    const restarts = this.entries % this.#restartInterval === 0;
    const kept = this.#keptBytes(shared, restarts);
    const unshared = keyLength - kept;
    const lengths = varintBytes(kept) + varintBytes(unshared) + varintBytes(recordLength);
    return this.sizeBytes + lengths + unshared + recordLength + (restarts ? RESTART_BYTES : 0);
  }

  /**
   * @param shared how many leading bytes the key has in common with the one added before, even if that is in another
   *   block
   */
  add(
    shared: number,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): void {
    const recordLength = recordEnd - recordStart;
    this.bytes = withRoom(
      this.bytes,
      this.#entriesBytes,
      this.sizeWithBytes(shared, keyEnd - keyStart, recordLength),
    );
    const restarts = this.entries % this.#restartInterval === 0;
    const kept = this.#keptBytes(shared, restarts);
    if (this.entries === 0) this.#firstKeyBytes = keyEnd - keyStart;
    else if (shared < this.#sharedByAll) this.#sharedByAll = shared;
    if (restarts) this.#addRestart();
    const suffixStart = keyStart + kept;
    const suffixLength = keyEnd - suffixStart;
    let at = writeVarint(this.bytes, this.#entriesBytes, kept);
    at = writeVarint(this.bytes, at, suffixLength);
    at = writeVarint(this.bytes, at, recordLength);
    copyBytes(keyBytes, suffixStart, keyEnd, this.bytes, at);
    at += suffixLength;
    copyBytes(recordBytes, recordStart, recordEnd, this.bytes, at);
    this.#entriesBytes = at + recordLength;
    this.entries++;
  }

  /** Writes the restart points behind the entries; returns the size of the block. */
  finish(): number {
    let at = this.#entriesBytes;
    for (let i = 0; i < this.#restartCount; i++) {
      writeUint32(this.bytes, at, this.#restarts[i]);
      at += RESTART_BYTES;
    }
    writeUint32(this.bytes, at, this.#restartCount);
    return at + RESTART_BYTES;
  }

  /** Starts the next block. */
  reset(): void {
    this.entries = 0;
    this.#restartCount = 0;
    this.#entriesBytes = 0;
    this.#sharedByAll = NO_KEYS_SHARE;
    this.#firstKeyBytes = 0;
  }

  /**
   * How many leading bytes the next entry leaves out. Keys ascend, so a key has as many bytes in common with the first
   * one as the two neighbours between them that have the fewest in common.
   */
  #keptBytes(shared: number, restarts: boolean): number {
    if (this.entries === 0) return 0;
    return restarts && this.#sharedByAll < shared ? this.#sharedByAll : shared;
  }

  #addRestart(): void {
    if (this.#restartCount === this.#restarts.length) {
      const larger = new Uint32Array(this.#restarts.length * 2);
      larger.set(this.#restarts);
      this.#restarts = larger;
    }
    this.#restarts[this.#restartCount++] = this.#entriesBytes;
  }
}

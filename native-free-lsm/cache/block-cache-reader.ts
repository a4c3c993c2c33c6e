import {
  blockHash,
  blockHashSeed,
  dataEnd,
  lengthWord,
  ordinalWord,
  RegionState,
  slotStart,
  stateByte,
  tableWord,
  usedByte,
} from './cache-layout.ts';

/**
 * How a pool thread reads the block cache, without locks. Only for threads whose ring is registered with the epoch
 * domain: what `find` found stays unchanged until the current command is completed, because the main thread reuses a
 * region only once every such thread has completed what it had been sent when the region left the index.
 *
 * A thread also fills regions with it that were reserved for it: `bytes` from `slotStart(slot)` on.
 */
export class BlockCacheReader {
  readonly bytes: Uint8Array;
  /** The block that `find` found last. */
  dataStart = 0;
  dataEnd = 0;
  readonly #pairs: Int32Array;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #seed: number;

  constructor(memory: SharedArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.#pairs = new Int32Array(memory, dataEnd(memory));
    this.#mask = this.#pairs.length / 2 - 1;
    this.#seed = blockHashSeed(memory);
  }

  /** Whether the block is there. It may be missed while the main thread moves it in the index. */
  find(tableId: number, ordinal: number): boolean {
    const hash = blockHash(tableId, ordinal, this.#seed);
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      // Acquire: the header of the region was written before its slot was stored.
      const slot = Atomics.load(this.#pairs, 2 * at + 1);
      if (slot === 0) return false;
      // The hash may belong to the pair's last or next occupant: then the block is missed, or the region's header shows
      // it.
      if (this.#pairs[2 * at] !== hash) continue;
      if (this.#words[tableWord(slot)] !== (tableId | 0)) continue;
      if (this.#words[ordinalWord(slot)] !== (ordinal | 0)) continue;
      // Acquire: the block was filled before it was published.
      if (Atomics.load(this.bytes, stateByte(slot)) !== RegionState.published) return false;
      if (this.bytes[usedByte(slot)] === 0) this.bytes[usedByte(slot)] = 1;
      this.dataStart = slotStart(slot);
      this.dataEnd = this.dataStart + this.#words[lengthWord(slot)];
      return true;
    }
  }
}

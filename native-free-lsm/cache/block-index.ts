import { blockHash, blockHashSeed, dataEnd, ordinalWord, tableWord } from './cache-layout.ts';

/**
 * The main thread's access to the cache's hash table from (table, ordinal) to slot. Only the main thread changes it;
 * other threads search it meanwhile (block-cache-reader.ts).
 *
 * It uses open addressing with linear probing and is at most half full. Removal shifts later entries back, so there are
 * no tombstones. A thread that probes during a shift may miss a block that is there, which costs it only a read. It
 * cannot find a wrong block, because it checks the table id and ordinal in the region itself.
 */
export class BlockIndex {
  readonly #pairs: Int32Array;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #seed: number;
  #size = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#pairs = new Int32Array(memory, dataEnd(memory));
    this.#mask = this.#pairs.length / 2 - 1;
    this.#seed = blockHashSeed(memory);
  }

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size > this.#mask >>> 1;
  }

  /** The block's slot, or 0. */
  find(tableId: number, ordinal: number): number {
    return this.#pairs[2 * this.#probe(tableId, ordinal) + 1];
  }

  /** Adds a block or moves it to another slot. The slot's header must have been written before. */
  set(tableId: number, ordinal: number, slot: number): void {
    const at = this.#probe(tableId, ordinal);
    if (this.#pairs[2 * at + 1] === 0) this.#size++;
    this.#store(at, blockHash(tableId, ordinal, this.#seed), slot);
  }

  delete(tableId: number, ordinal: number): void {
    const pairs = this.#pairs;
    let gap = this.#probe(tableId, ordinal);
    if (pairs[2 * gap + 1] === 0) return;
    this.#size--;
    for (let at = (gap + 1) & this.#mask; pairs[2 * at + 1] !== 0; at = (at + 1) & this.#mask) {
      // An entry may fill the gap unless its probe path starts behind it.
      const fromHome = (at - pairs[2 * at]) & this.#mask;
      if (fromHome < ((at - gap) & this.#mask)) continue;
      this.#store(gap, pairs[2 * at], pairs[2 * at + 1]);
      gap = at;
    }
    this.#store(gap, 0, 0);
  }

  #store(at: number, hash: number, slot: number): void {
    this.#pairs[2 * at] = hash;
    // Release: a thread that loads this slot finds the header of its region written.
    Atomics.store(this.#pairs, 2 * at + 1, slot);
  }

  /** The pair that holds the block, or the free pair where it belongs. */
  #probe(tableId: number, ordinal: number): number {
    const pairs = this.#pairs;
    const hash = blockHash(tableId, ordinal, this.#seed);
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const slot = pairs[2 * at + 1];
      if (slot === 0) return at;
      if (pairs[2 * at] !== hash) continue;
      if (
        this.#words[tableWord(slot)] === (tableId | 0) &&
        this.#words[ordinalWord(slot)] === (ordinal | 0)
      ) {
        return at;
      }
    }
  }
}

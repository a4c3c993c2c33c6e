/** About what the blocks in a cache are large. */
const BLOCK_BYTES = 4096;
const LEAST_PLACES = 1024;

/**
 * Remembers blocks that were missed lately, about as many as there are in the cache: one that is missed for the second
 * time is worth a place there, and one that is needed once is not (idea: 2Q, Johnson and Shasha, 1994). Of a pair of
 * places a block takes the first, and moves what was there to the second: two blocks that are missed in turns would push
 * each other out of a single one for ever.
 */
export class MissedBlocks {
  readonly #fingerprints: Int32Array;

  constructor(cacheBytes: number) {
    this.#fingerprints = new Int32Array(
      2 ** Math.ceil(Math.log2(Math.max(LEAST_PLACES, cacheBytes / BLOCK_BYTES))),
    );
  }

  /** Returns whether it was missed before, lately. Now and then it is wrong: what depends on it must not matter. */
  missed(tableId: number, ordinal: number): boolean {
    const fingerprints = this.#fingerprints;
    const mixed = Math.imul(tableId, 0x9e37_79b1) ^ ordinal;
    // Once more, as products of two numbers alone fall together where there are many tables of few blocks.
    const hash = Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca6b);
    const first = (hash ^ (hash >>> 15)) & (fingerprints.length - 2);
    if (fingerprints[first] === hash) {
      fingerprints[first] = fingerprints[first + 1];
      fingerprints[first + 1] = 0;
      return true;
    }
    if (fingerprints[first + 1] === hash) {
      fingerprints[first + 1] = 0;
      return true;
    }
    fingerprints[first + 1] = fingerprints[first];
    fingerprints[first] = hash;
    return false;
  }
}

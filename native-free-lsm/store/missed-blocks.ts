const PLACES = 4096;

/**
 * Remembers blocks that were missed lately: one that is missed for the second time is worth a place in the cache, and
 * one that is needed once is not (idea: 2Q, Johnson and Shasha, 1994). Each has one place, which it takes from another.
 */
export class MissedBlocks {
  readonly #fingerprints = new Int32Array(PLACES);

  /** Returns whether it was missed before, lately. Now and then it is wrong: what depends on it must not matter. */
  missed(tableId: number, ordinal: number): boolean {
    const hash = Math.imul(tableId, 0x9e37_79b1) ^ Math.imul(ordinal + 1, 0x85eb_ca6b);
    const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
    const isAgain = this.#fingerprints[place] === hash;
    this.#fingerprints[place] = isAgain ? 0 : hash;
    return isAgain;
  }
}

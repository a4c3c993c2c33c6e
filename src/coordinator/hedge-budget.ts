/** So many hedges may come at once after a quiet time: about as many as there are reads in flight when a node dies. */
const MAX_SAVED = 50;
/** Of these, what only reads that have little time left may have: an answer counts for more then. */
const RESERVED = 10;

/**
 * Bounds how many hedges there are to so many reads. Each read earns a share of a hedge, so reads that are slow because
 * everything is slow do not ask for still more work: they would be the slower for it. Pure.
 */
export class HedgeBudget {
  readonly #share: number;
  #saved: number;

  /** @param share of the reads that may be hedged, such as 0.05 */
  constructor(share: number) {
    this.#share = share;
    this.#saved = share > 0 ? MAX_SAVED : 0;
  }

  /** A read has begun. */
  earn(): void {
    this.#saved = Math.min(this.#saved + this.#share, MAX_SAVED);
  }

  /**
   * Takes what one hedge costs.
   * @param isUrgent whether the read has little time left
   * @returns whether there was enough
   */
  spend(isUrgent: boolean): boolean {
    if (this.#saved < (isUrgent ? 1 : 1 + RESERVED)) return false;
    this.#saved--;
    return true;
  }
}

/**
 * How fast hints are delivered: in batches, each as long as what it takes in bytes, and with a rest behind each while
 * clients have work for this node. The rest is a multiple of the time that the batch took, so delivery takes a fixed
 * share of a node that is busy, however fast it is, and all of one that is idle. Pure.
 */

const MAX_BATCH = 256;
/** Of records in a batch, as far as those before tell. */
const BATCH_BYTES = 1024 * 1024;
/** Of records of which nothing is known yet. */
const FIRST_RECORD_BYTES = 64 * 1024;
const WEIGHT = 0.25;
/** While clients ask for at least as much as is delivered. */
const RESTS_PER_BATCH = 9;
const MAX_REST_MS = 1_000;

export class HintPace {
  #recordBytes = FIRST_RECORD_BYTES;

  /** How many records to deliver next. */
  get batch(): number {
    return Math.min(Math.max(Math.floor(BATCH_BYTES / this.#recordBytes), 1), MAX_BATCH);
  }

  /**
   * @param delivered records in the batch that is over, and their bytes
   * @param tookMs how long it took
   * @param requests how many requests of clients this node had meanwhile
   * @returns how long to rest
   */
  restMs(delivered: number, bytes: number, tookMs: number, requests: number): number {
    if (delivered === 0) return 0;
    this.#recordBytes += (Math.max(bytes / delivered, 1) - this.#recordBytes) * WEIGHT;
    const busy = Math.min(requests / delivered, 1);
    return Math.min(tookMs * RESTS_PER_BATCH * busy, MAX_REST_MS);
  }
}

/** From here on a bucket is so much wider than the one before that eight of them double the time. */
const FIRST_BOUND_MS = 1 / 16;
const BUCKETS_PER_DOUBLING = 8;
/** Up to 16 s; what took longer is in the last one. */
const BUCKETS = 1 + 18 * BUCKETS_PER_DOUBLING;
/** All counts are halved when they have come to so much: older answers count for less and less. */
const MAX_WEIGHT = 2048;

/**
 * How long one node's recent answers took, as counts in buckets that grow with the time: at most a tenth wide. It forgets
 * by halving all counts, by their number and whenever its owner says so. Pure.
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #weight = 0;

  /** How many answers it knows of; those that were halved count in part. */
  get weight(): number {
    return this.#weight;
  }

  record(latencyMs: number): void {
    this.#counts[bucketOf(latencyMs)]++;
    if (++this.#weight >= MAX_WEIGHT) this.halve();
  }

  halve(): void {
    const counts = this.#counts;
    for (let bucket = 0; bucket < BUCKETS; bucket++) counts[bucket] /= 2;
    this.#weight /= 2;
  }

  /**
   * A time within which this share of the answers came; 0 when there are none.
   * @param share of 1, such as 0.99
   */
  quantileMs(share: number): number {
    const counts = this.#counts;
    let above = this.#weight * (1 - share);
    for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
      above -= counts[bucket];
      if (above < 0) return boundOf(bucket);
    }
    return 0;
  }
}

function bucketOf(latencyMs: number): number {
  if (!(latencyMs > FIRST_BOUND_MS)) return 0;
  const bucket = 1 + Math.floor(Math.log2(latencyMs / FIRST_BOUND_MS) * BUCKETS_PER_DOUBLING);
  return Math.min(bucket, BUCKETS - 1);
}

/** Where the bucket ends. */
function boundOf(bucket: number): number {
  return FIRST_BOUND_MS * 2 ** (bucket / BUCKETS_PER_DOUBLING);
}

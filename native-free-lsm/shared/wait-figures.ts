/** What is known of the waits at one place. Pure. */

export const WAIT_BUCKETS = 28;

/** The waits at one place. */
export interface SiteWaits {
  /** From the general to the particular, as a flame graph of waits shows it. */
  readonly path: readonly string[];
  /** The thread has nothing to do: nobody waits for it. */
  readonly isIdle: boolean;
  readonly count: number;
  readonly totalMs: number;
  /** The i-th has the waits that took less than 2^i microseconds and are in none before it; the last has all others. */
  readonly buckets: readonly number[];
}

/** The place of a wait in `SiteWaits.buckets`. */
export function bucketOf(micros: number): number {
  return Math.min(32 - Math.clz32(micros), WAIT_BUCKETS - 1);
}

/** The length that its waits are below, but for those of the last bucket, which may be of any length from half of it on. */
export function bucketEndMicros(bucket: number): number {
  return 2 ** bucket;
}

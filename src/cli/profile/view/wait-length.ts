/** How long waits took, as people read it: waits are counted in buckets by their length. Pure. */
import { bucketEndMicros, type SiteWaits, WAIT_BUCKETS } from '../../../../native-free-lsm/index.ts';

/** What all waits of the bucket have in common. */
export function bucketName(bucket: number): string {
  const end = describeMicros(bucketEndMicros(bucket));
  if (bucket === 0) return `less than ${end}`;
  const start = describeMicros(bucketEndMicros(bucket - 1));
  return bucket === LAST_BUCKET ? `${start} or more` : `${start} to ${end}`;
}

/** The bounds of the bucket in which the percentile lies, as far as there is one above: `p99 < 2 ms`. */
export function percentileText({ buckets, count }: SiteWaits, percentile: number): string {
  let left = Math.ceil((count * percentile) / 100);
  const bucket = buckets.findIndex((waits) => {
    left -= waits;
    return left <= 0;
  });
  return bucket === LAST_BUCKET
    ? `p${percentile} ≥ ${describeMicros(bucketEndMicros(bucket - 1))}`
    : `p${percentile} < ${describeMicros(bucketEndMicros(bucket))}`;
}

const LAST_BUCKET = WAIT_BUCKETS - 1;

function describeMicros(micros: number): string {
  if (micros < 1000) return `${micros} µs`;
  return micros < 1_000_000 ? `${Math.round(micros / 1000)} ms` : `${Math.round(micros / 1_000_000)} s`;
}

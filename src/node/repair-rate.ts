import type { Clock } from '../clock.ts';
import { ByteThrottle } from '../replica/byte-throttle.ts';

/** Repair is seldom urgent, and shares the network and the disk with clients. */
const DEFAULT_REPAIR_BYTES_PER_SECOND = 16 * 2 ** 20;

/**
 * What one node may move for repair (read repair, hints, rounds), and to refill its folder. A rate that is set bounds all
 * of it together. Without one a folder is refilled as fast as the machine can beside its clients, because a node that
 * lacks data is a replica less.
 * @param bytesPerSecond 0: none is set
 */
export function repairThrottles(
  clock: Clock,
  bytesPerSecond: number,
): { readonly repair: ByteThrottle; readonly refill: ByteThrottle } {
  if (bytesPerSecond > 0) {
    const all = new ByteThrottle(clock, bytesPerSecond);
    return { repair: all, refill: all };
  }
  return {
    repair: new ByteThrottle(clock, DEFAULT_REPAIR_BYTES_PER_SECOND),
    refill: new ByteThrottle(clock, Number.POSITIVE_INFINITY),
  };
}

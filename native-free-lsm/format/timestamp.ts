/**
 * Timestamps of versions: safe integers, ms since 2024-01-01 in the upper 41 bits and a counter in the lower 12, which
 * runs over into the milliseconds when it is full. Pure.
 */

/** The first moment that a timestamp can hold, in ms since the Unix epoch. */
export const TIMESTAMP_EPOCH_MS = Date.UTC(2024, 0, 1);
/** How many timestamps a millisecond has. */
export const TIMESTAMPS_PER_MS = 2 ** 12;
/** The largest timestamp, 2^53 - 1. */
export const MAX_TIMESTAMP = Number.MAX_SAFE_INTEGER;

/** The first timestamp of a moment in ms since the Unix epoch; 0 for one that none can hold, as it is too early. */
export function timestampAt(ms: number): number {
  return Math.max(Math.floor(ms - TIMESTAMP_EPOCH_MS), 0) * TIMESTAMPS_PER_MS;
}

/** The moment in a timestamp, in ms since the Unix epoch. */
export function timestampMs(timestamp: number): number {
  return Math.floor(timestamp / TIMESTAMPS_PER_MS) + TIMESTAMP_EPOCH_MS;
}

/** The least that counts as old. */
const LEAST_MS = 5_000;

interface TimeSettings {
  readonly requestTimeoutMs: number;
  readonly maxClockDriftMs: number;
}

/**
 * How old, by this node's time, a client's write may be that is under way: what is copied of this age must not keep it
 * waiting. Its coordinator's time may be a drift behind that of the others, and this node's one ahead. Pure.
 */
export function maxWriteAgeMs({ maxClockDriftMs, requestTimeoutMs }: TimeSettings): number {
  return Math.max(LEAST_MS, requestTimeoutMs + 2 * maxClockDriftMs);
}

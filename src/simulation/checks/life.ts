/** When values with a time to live end, and what of it nodes may see by their own times. Pure. */
import { timestampMs } from '../../../native-free-lsm/index.ts';
import type { Observation } from '../history.ts';

export interface WorldTime {
  /** The wall clock's time at the beginning of the run. */
  readonly startMs: number;
  /** How far the nodes' own times may be from the right time. */
  readonly driftMs: number;
}

/** When the value of an acknowledged PUT ends, in ms since the Unix epoch; Infinity: it does not. */
export function endOf({ request, timestamp }: Observation): number {
  return request.ttlMs === 0 ? Number.POSITIVE_INFINITY : timestampMs(timestamp) + request.ttlMs;
}

/**
 * Whether the value of an acknowledged PUT has ended for a node. One that has just started may be behind with its own
 * time until it has compared its clock with others': it shows values for so much longer, and never for less long.
 * @param ownLagMs how far the node's own time is behind
 */
export function isOver(
  written: Observation,
  atMs: number,
  ownLagMs: number,
  { driftMs, startMs }: WorldTime,
): boolean {
  return startMs + atMs > endOf(written) + Math.max(driftMs, ownLagMs);
}

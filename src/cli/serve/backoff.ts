/** How long a node that died stays down before it is started again. Pure. */
import type { Random } from '../../clock.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;

/** A node that ran this long has started successfully: if it dies later, its delays begin anew. */
export const STEADY_AFTER_MS = 10_000;

/**
 * The delay doubles with each failure in a row. It varies by half in both directions, so that nodes that died together
 * do not come back together.
 * @param failures the number of failures in a row before this one
 */
export function restartDelayMs(failures: number, random: Random): number {
  const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
  return Math.round(delayMs * (0.5 + random()));
}

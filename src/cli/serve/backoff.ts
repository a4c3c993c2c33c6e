/** How long a node that died stays down before it is started again. Pure. */
import type { Random } from '../../clock.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;

/** After this long, a node that dies has not failed to start: its delays begin anew. */
export const STEADY_AFTER_MS = 10_000;

/**
 * Doubles with each failure in a row, and is spread by half either way so that nodes which died together do not
 * come back together.
 * @param failures before this one, in a row
 */
export function restartDelayMs(failures: number, random: Random): number {
  const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
  return Math.round(delayMs * (0.5 + random()));
}

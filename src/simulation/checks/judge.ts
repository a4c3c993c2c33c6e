/** All checks of a run. Pure. */
import type { FinalState, History, Violation } from '../history.ts';
import { checkDurability, checkOwners } from './durability.ts';
import { checkFreshness, checkMonotonicReads } from './freshness.ts';
import { checkAnswers } from './one-answer.ts';

/** Where a machine is in the preference list of a key. */
type PositionOf = (machine: string, key: string) => number;

export function judge(history: History, finals: readonly FinalState[], positionOf: PositionOf): Violation[] {
  return [
    ...checkAnswers(history),
    ...checkFreshness(history),
    ...checkMonotonicReads(history),
    ...checkDurability(history, finals),
    ...checkOwners(history, finals, positionOf),
  ];
}

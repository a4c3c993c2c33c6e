/** All checks of a run. Pure. */
import type { FinalState, History, Violation } from '../history.ts';
import { checkComeBack } from './come-back.ts';
import { checkDurability, checkOwners } from './durability.ts';
import { checkExpiry } from './expiry.ts';
import { checkFreshness, checkLaterWrites, checkMonotonicReads } from './freshness.ts';
import { checkAnswers } from './one-answer.ts';
import { checkRegisters } from './registers.ts';

interface Circumstances {
  /** Where a machine is in the preference list of a key. */
  readonly positionOf: (machine: string, key: string) => number;
  /** The wall clock's time at the beginning of the run. */
  readonly startMs: number;
  /** How far the nodes' own times may be from the right time. */
  readonly driftMs: number;
}

export function judge(
  history: History,
  finals: readonly FinalState[],
  { driftMs, positionOf, startMs }: Circumstances,
): Violation[] {
  return [
    ...checkAnswers(history),
    ...checkFreshness(history),
    ...checkMonotonicReads(history),
    ...checkLaterWrites(history),
    ...checkRegisters(history),
    ...checkExpiry(history, startMs, driftMs),
    ...checkComeBack(history, finals),
    ...checkDurability(history, finals),
    ...checkOwners(history, finals, positionOf),
  ];
}

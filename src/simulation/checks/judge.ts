/** All checks of a run. Pure. */
import type { FinalState, History, Violation } from '../history.ts';
import { checkComeBack } from './come-back.ts';
import { checkDurability, checkOwners } from './durability.ts';
import { checkExpiry } from './expiry.ts';
import { checkFreshness, checkLaterWrites, checkMonotonicReads } from './freshness.ts';
import { checkAnswers } from './one-answer.ts';
import { checkRegisters } from './registers.ts';

export interface Circumstances {
  /** The time that a node gives a request. */
  readonly requestTimeoutMs: number;
  /** Where a machine is in the preference list of a key. */
  readonly positionOf: (machine: string, key: string) => number;
  /** The wall clock's time at the beginning of the run. */
  readonly startMs: number;
  /** How far the nodes' own times may be from the right time. */
  readonly driftMs: number;
  /** Up to which timestamp any machine has said that the slot of a key is settled. */
  readonly settledAt: ReadonlyMap<string, number>;
}

export function judge(
  history: History,
  finals: readonly FinalState[],
  { driftMs, positionOf, requestTimeoutMs, settledAt, startMs }: Circumstances,
): Violation[] {
  return [
    ...checkAnswers(history, requestTimeoutMs),
    ...checkFreshness(history),
    ...checkMonotonicReads(history),
    ...checkLaterWrites(history),
    ...checkRegisters(history),
    ...checkExpiry(history, startMs, driftMs),
    ...checkComeBack(history, finals),
    ...checkDurability(history, finals, settledAt),
    ...checkOwners(history, finals, positionOf),
  ];
}

/** All checks of a run. Pure. */
import type { FinalState, History, Violation } from '../history.ts';
import { checkComeBack } from './come-back.ts';
import { checkDurability, checkOwners } from './durability.ts';
import { checkExpiry } from './expiry.ts';
import { checkExplained } from './explained.ts';
import { checkFreshness, checkLaterWrites, checkMonotonicReads } from './freshness.ts';
import type { WorldTime } from './life.ts';
import { checkAnswers } from './one-answer.ts';
import { checkRegisters } from './registers.ts';
import { checkScans } from './scans.ts';
import { checkTags } from './tags.ts';

export interface Circumstances extends WorldTime {
  /** The time that a node gives a request. */
  readonly requestTimeoutMs: number;
  /** Where a machine is in the preference list of a key. */
  readonly positionOf: (machine: string, key: string) => number;
  /** Up to which timestamp any machine has said that the slot of a key is settled. */
  readonly settledAt: ReadonlyMap<string, number>;
}

export function judge(
  history: History,
  finals: readonly FinalState[],
  circumstances: Circumstances,
): Violation[] {
  const { positionOf, requestTimeoutMs, settledAt } = circumstances;
  return [
    ...checkAnswers(history, requestTimeoutMs),
    ...checkFreshness(history),
    ...checkMonotonicReads(history),
    ...checkLaterWrites(history),
    ...checkRegisters(history, circumstances),
    ...checkExpiry(history, circumstances),
    ...checkTags(history),
    ...checkScans(history, positionOf, circumstances),
    ...checkExplained(history, positionOf),
    ...checkComeBack(history, finals),
    ...checkDurability(history, finals, settledAt),
    ...checkOwners(history, finals, positionOf),
  ];
}

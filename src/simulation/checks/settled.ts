/**
 * What the rounds of anti-entropy prove when they settle a slot: of each key, the newest version up to the watermark that
 * any owner holds is with each of its owners, and nobody holds an older one. It is judged before owners are compared for
 * the last time, because then all of them are equal anyhow. Pure.
 */
import type { FinalState, StoredRecord, Violation } from '../history.ts';
import { isMortal } from './convergence.ts';
import { isOlder } from './versions.ts';

const CHECK = 'what is settled is with all owners';

/**
 * @param states what the machines have, read after `settledAt`; none of them has lost anything
 * @param settledAt up to which timestamp any of them says that the slot of a key is settled; 0: nothing is
 * @param positionOf where a machine is in a key's preference list
 */
export function checkSettled(
  states: readonly FinalState[],
  settledAt: ReadonlyMap<string, number>,
  positionOf: (machine: string, key: string) => number,
): Violation[] {
  const violations: Violation[] = [];
  for (const [key, timestamp] of settledAt) {
    const newest = newestUpTo(timestamp, states, key);
    if (newest === null) continue;
    for (const { machine, records } of states) {
      if (records === null) continue;
      const record = records.get(key);
      const isRight =
        record === undefined
          ? // It may be purged here and not there.
            isMortal(newest) || positionOf(machine, key) >= newest.from
          : !isOlder(record, newest);
      if (isRight) continue;
      const what = record === undefined ? 'nothing' : `version ${record.timestamp}`;
      const sentence = `${machine} has ${what} of ${key}, which is settled up to ${timestamp}, and another has version ${newest.timestamp}`;
      violations.push({ check: CHECK, sentence, requests: [] });
    }
  }
  return violations;
}

function newestUpTo(timestamp: number, states: readonly FinalState[], key: string): StoredRecord | null {
  let newest: StoredRecord | null = null;
  for (const { records } of states) {
    const record = records?.get(key);
    if (record === undefined || record.timestamp > timestamp) continue;
    if (newest === null || isOlder(newest, record)) newest = record;
  }
  return newest;
}

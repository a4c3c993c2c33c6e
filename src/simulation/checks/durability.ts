/** What was acknowledged, or what replaced it, is on disks at the end, and no copy is where it does not belong. Pure. */
import type { FinalState, History, Violation } from '../history.ts';
import { newestOf } from './convergence.ts';
import { byKey, describeRequest, isAcknowledgedWrite, isOlder, lostDisks, mayBePurged } from './versions.ts';

const DURABLE = 'acknowledged writes are not lost';
const OWNERS = 'copies are with owners only';

/** It is on as many disks as acknowledged it, less those that have lost what they had. */
/** @param settledAt up to which timestamp any machine has said that the slot of a key is settled: up to there is purged */
export function checkDurability(
  history: History,
  finals: readonly FinalState[],
  settledAt: ReadonlyMap<string, number>,
): Violation[] {
  const violations: Violation[] = [];
  for (const observations of byKey(history.observations)) {
    const { key } = observations[0].request;
    const newest = newestOf(finals, key);
    for (const write of observations.filter(isAcknowledgedWrite)) {
      const isPurged = mayBePurged(observations, write, Number.POSITIVE_INFINITY, settledAt.get(key) ?? 0);
      const holders = finals.filter(({ records }) => {
        // What a machine cannot tell may be there.
        if (records === null) return true;
        const record = records.get(key);
        return record === undefined ? isPurged : !isOlder(record, write);
      });
      const lost = lostDisks(history, write);
      // Where a deletion was purged, nothing older may be left that it hid.
      const isHidden = newest === null || !isOlder(newest, write) || lost >= write.request.ack;
      if (isHidden && holders.length + lost >= write.request.ack) continue;
      violations.push({
        check: DURABLE,
        sentence: `${describeRequest(write)} is on ${holders.length} disks, and ${lost} have lost what they had`,
        requests: [write.request.id],
      });
    }
  }
  return violations;
}

/** @param positionOf where a machine is in a key's preference list */
export function checkOwners(
  { observations }: History,
  finals: readonly FinalState[],
  positionOf: (machine: string, key: string) => number,
): Violation[] {
  const violations: Violation[] = [];
  for (const asked of byKey(observations)) {
    const { key } = asked[0].request;
    const widest = Math.max(...asked.map(({ request }) => request.from));
    for (const { machine, records } of finals) {
      if (records?.has(key) !== true || positionOf(machine, key) < widest) continue;
      violations.push({
        check: OWNERS,
        sentence: `${machine} has a copy of ${key}, and is none of its first ${widest} owners`,
        requests: [],
      });
    }
  }
  return violations;
}

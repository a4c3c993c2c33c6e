/** What was acknowledged is on some disk at the end, or what replaced it, and no copy is where it does not belong. Pure. */
import type { FinalState, History, Violation } from '../history.ts';
import { newestOf } from './convergence.ts';
import { byKey, describeRequest, isAcknowledgedWrite, isOlder, lostDisks, mayBePurged } from './versions.ts';

const DURABLE = 'acknowledged writes are not lost';
const OWNERS = 'copies are with owners only';

export function checkDurability(history: History, finals: readonly FinalState[]): Violation[] {
  const violations: Violation[] = [];
  // What a machine cannot tell may be there.
  if (finals.length === 0 || finals.some(({ records }) => records === null)) return violations;
  for (const observations of byKey(history.observations)) {
    const newest = newestOf(finals, observations[0].request.key);
    for (const write of observations.filter(isAcknowledgedWrite)) {
      if (newest === null) {
        if (mayBePurged(observations, write, Number.POSITIVE_INFINITY)) continue;
      } else if (!isOlder(newest, write)) continue;
      if (lostDisks(history, write) >= write.request.ack) continue;
      const found = newest === null ? 'nothing' : `version ${newest.timestamp}.${newest.writer.toString(16)}`;
      violations.push({
        check: DURABLE,
        sentence: `${describeRequest(write)} was acknowledged, and the disks have ${found}`,
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

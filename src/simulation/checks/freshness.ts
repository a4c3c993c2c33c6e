/**
 * A read whose quorum overlaps with that of an acknowledged write sees it or a newer one, and a read after another one
 * whose quorum overlaps does not see what is older. Pure.
 */
import type { History, Observation, Violation } from '../history.ts';
import {
  byKey,
  describeRequest,
  isAcknowledgedWrite,
  isAnsweredRead,
  isOlder,
  lostDisks,
  mayBePurged,
  slippedDisks,
} from './versions.ts';

const FRESH = 'reads see acknowledged writes';
const LATER = 'later writes win';
const MONOTONIC = 'reads do not go back';

export function checkFreshness(history: History): Violation[] {
  return [...byKey(history.observations)].flatMap((observations) => {
    const writes = observations.filter(isAcknowledgedWrite);
    const reads = observations.filter(isAnsweredRead);
    return checkLater(history, FRESH, observations, reads, writes, ({ request }) => request.ack);
  });
}

/**
 * A read brings what it has seen to as many replicas as have to answer it, unless it repairs later; but never to more
 * than its write has asked for. So what was written with a smaller `from` than it is read with promises less.
 */
export function checkMonotonicReads(history: History): Violation[] {
  return [...byKey(history.observations)].flatMap((observations) => {
    const reads = observations.filter(isAnsweredRead);
    const binding = reads.filter(({ request }) => !request.repairsLater);
    return checkLater(history, MONOTONIC, observations, reads, binding, (read) =>
      Math.min(read.request.ack, fromOfVersion(observations, read)),
    );
  });
}

/**
 * A write that began after another of its key was acknowledged wins over it, where the replicas that acknowledged the two
 * have one in common.
 */
export function checkLaterWrites(history: History): Violation[] {
  return [...byKey(history.observations)].flatMap((observations) => {
    const writes = observations.filter(isAcknowledgedWrite);
    return checkLater(history, LATER, observations, writes, writes, ({ request }) => request.ack);
  });
}

/** @param copiesOf how many replicas have what a request wrote or read */
function checkLater(
  history: History,
  check: string,
  observations: readonly Observation[],
  laterOnes: readonly Observation[],
  binding: readonly Observation[],
  copiesOf: (one: Observation) => number,
): Violation[] {
  const violations: Violation[] = [];
  for (const later of laterOnes) {
    let newest: Observation | null = null;
    for (const earlier of binding) {
      if (earlier.answeredAt > later.calledAt || !isOlder(newest ?? later, earlier)) continue;
      const copies = copiesOf(earlier);
      const common = copies + later.request.ack - Math.max(earlier.request.from, later.request.from);
      if (common <= slippedDisks(history, earlier)) continue;
      if (lostDisks(history, earlier) >= copies) continue;
      if (
        later.timestamp === 0 &&
        mayBePurged(observations, earlier, later.answeredAt, Number.POSITIVE_INFINITY)
      )
        continue;
      newest = earlier;
    }
    if (newest === null) continue;
    const sentence = `${describeRequest(later)} is older than ${describeRequest(newest)}, which was answered before it began`;
    violations.push({ check, sentence, requests: [newest.request.id, later.request.id] });
  }
  return violations;
}

/** With which `from` it was written what was read; 0: nobody knows. */
function fromOfVersion(observations: readonly Observation[], read: Observation): number {
  const wrote = observations.find(
    (one) =>
      one.request.id === read.readId ||
      (isAcknowledgedWrite(one) && one.timestamp === read.timestamp && one.writer === read.writer),
  );
  return wrote?.request.from ?? 0;
}

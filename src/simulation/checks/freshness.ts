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
} from './versions.ts';

const FRESH = 'reads see acknowledged writes';
const MONOTONIC = 'reads do not go back';

export function checkFreshness(history: History): Violation[] {
  return [...byKey(history.observations)].flatMap((observations) => {
    const writes = observations.filter(isAcknowledgedWrite);
    return checkReads(history, FRESH, observations, writes, ({ request }) => request.ack);
  });
}

/**
 * A read brings what it has seen to as many replicas as have to answer it, unless it repairs later; but never to more
 * than its write has asked for. So what was written with a smaller `from` than it is read with promises less.
 */
export function checkMonotonicReads(history: History): Violation[] {
  return [...byKey(history.observations)].flatMap((observations) => {
    const reads = observations.filter((one) => isAnsweredRead(one) && !one.request.repairsLater);
    return checkReads(history, MONOTONIC, observations, reads, (read) =>
      Math.min(read.request.ack, fromOfVersion(observations, read)),
    );
  });
}

/** @param copiesOf how many replicas have what a request wrote or read */
function checkReads(
  history: History,
  check: string,
  observations: readonly Observation[],
  binding: readonly Observation[],
  copiesOf: (one: Observation) => number,
): Violation[] {
  const violations: Violation[] = [];
  for (const read of observations.filter(isAnsweredRead)) {
    let newest: Observation | null = null;
    for (const earlier of binding) {
      if (earlier.answeredAt > read.calledAt || !isOlder(newest ?? read, earlier)) continue;
      const copies = copiesOf(earlier);
      if (copies + read.request.ack <= Math.max(earlier.request.from, read.request.from)) continue;
      if (lostDisks(history, earlier) >= copies) continue;
      if (read.timestamp === 0 && mayBePurged(observations, earlier, read.answeredAt)) continue;
      newest = earlier;
    }
    if (newest === null) continue;
    const sentence = `${describeRequest(read)} is older than ${describeRequest(newest)}, which was answered before it began`;
    violations.push({ check, sentence, requests: [newest.request.id, read.request.id] });
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

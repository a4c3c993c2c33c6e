/** What clients saw of the keys that they used as registers (`consistency=linearizable`) is linearizable. Pure. */
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { RequestMethod } from '../plan/plan.ts';
import { describeFault, linearizabilityFault, type RegisterOperation } from './linearizability.ts';
import { byKey, isAnsweredRead, isRead, lostDisks, slippedDisks } from './versions.ts';

/** How the answer to a write ends whose condition was not met by what was there. */
const NOTHING_WRITTEN = 'nothing was written.';
const CHECK = 'linearizable requests are';

export function checkRegisters(history: History): Violation[] {
  const asked = history.observations.filter(({ request }) => request.isLinearizable);
  return [...byKey(asked)].flatMap((observations) => {
    const judged = upTo(forgottenAtMs(history, observations), observations);
    const read = new Set(judged.filter(isAnsweredRead).map(({ readId }) => readId));
    const fault = linearizabilityFault(judged.flatMap((one) => operationOf(one, read)));
    if (fault === null) return [];
    return [
      {
        check: CHECK,
        sentence: describeFault(fault),
        requests: observations.map(({ request }) => request.id),
      },
    ];
  });
}

/**
 * From when on nothing is promised of a key: as many disks as acknowledged a request have lost what they had since it was
 * made, or every replica that its quorum has in common with another one may answer without what it left there, and
 * nobody notice. Infinity: all is promised.
 */
function forgottenAtMs(history: History, observations: readonly Observation[]): number {
  const momentsMs = history.lossesMs.flat().sort((one, other) => one - other);
  const isForgotten = (one: Observation, atMs: number): boolean => {
    const { ack, from } = one.request;
    return lostDisks(history, one, atMs) >= ack || slippedDisks(history, one, atMs) >= 2 * ack - from;
  };
  const found = momentsMs.find((atMs) => observations.some((one) => isForgotten(one, atMs)));
  return found ?? Number.POSITIVE_INFINITY;
}

/** What was asked before, and of that what was not answered yet as if it never had been. */
function upTo(endMs: number, observations: readonly Observation[]): Observation[] {
  const never = Number.POSITIVE_INFINITY;
  return observations
    .filter(({ calledMs }) => calledMs < endMs)
    .map((one) => (one.answeredMs < endMs ? one : { ...one, outcome: null, answeredAt: never }));
}

/** @param read whose values were read */
function operationOf(observation: Observation, read: ReadonlySet<number>): RegisterOperation[] {
  const { answeredAt, calledAt, outcome, readId, reason, request } = observation;
  const { id, key, kind } = request;
  const isDone = outcome === Outcome.ok || outcome === Outcome.notFound;
  const time = { key, calledAt, answeredAt: isDone ? answeredAt : Number.POSITIVE_INFINITY };
  if (isRead(observation))
    return isDone ? [{ ...time, kind: 'read', value: readId < 0 ? null : `#${readId}` }] : [];
  // Nothing was written; any other failure may have left it on some replica.
  if (outcome === Outcome.badRequest) return [];
  if (outcome === Outcome.conditionFailed) {
    if (reason.endsWith(NOTHING_WRITTEN)) return [];
    // Another write came first. A read at the same time may have seen this one; after its answer it is not read any more.
    // (Of a deletion nobody can tell whether it was the one that a read saw.)
    if (kind === RequestMethod.put && !read.has(id)) return [];
    if (kind === RequestMethod.put) time.answeredAt = answeredAt;
  }
  return [{ ...time, kind: 'write', value: kind === RequestMethod.delete ? null : `#${id}` }];
}

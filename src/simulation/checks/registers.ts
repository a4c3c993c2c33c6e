/** What clients saw of the keys that they used as registers (`consistency=linearizable`) is linearizable. Pure. */
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { RequestMethod } from '../plan/plan.ts';
import { endOf, type WorldTime } from './life.ts';
import { describeFault, linearizabilityFault, type RegisterOperation } from './linearizability.ts';
import { byKey, isAcknowledgedWrite, isAnsweredRead, isRead, lostDisks, slippedDisks } from './versions.ts';

/** How the answer to a write ends whose condition was not met by what was there. */
const NOTHING_WRITTEN = 'nothing was written.';
const CHECK = 'linearizable requests are';

export function checkRegisters(history: History, world: WorldTime): Violation[] {
  const asked = history.observations.filter(({ request }) => request.isLinearizable);
  return [...byKey(asked)].flatMap((observations) => {
    const judged = upTo(forgottenAtMs(history, observations), observations);
    const read = new Set(judged.filter(isAnsweredRead).map(({ readId }) => readId));
    const operations = judged.flatMap((one) => [
      ...operationOf(one, read),
      ...expiryOf(one, momentFrom(earliestEndMs(one, world), observations)),
    ]);
    const fault = linearizabilityFault(operations);
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

/** @param calledAt the moment from which on it may have expired; Infinity: it has not */
function expiryOf({ request }: Observation, calledAt: number): RegisterOperation[] {
  if (calledAt === Number.POSITIVE_INFINITY) return [];
  return [
    {
      key: request.key,
      kind: 'expiry',
      value: `#${request.id}`,
      calledAt,
      answeredAt: Number.POSITIVE_INFINITY,
    },
  ];
}

/** When its value ends for the first node, in ms since the start; Infinity: it has none that ends. */
function earliestEndMs(one: Observation, { driftMs, startMs }: WorldTime): number {
  const { calledMs, request } = one;
  if (request.ttlMs === 0) return Number.POSITIVE_INFINITY;
  // Of one that was not acknowledged nobody knows the timestamp, but that it is not from before its call.
  return (isAcknowledgedWrite(one) ? endOf(one) - startMs : calledMs + request.ttlMs) - driftMs;
}

/** Just before the first thing that happened to these requests from then on; Infinity: nothing did. */
function momentFrom(sinceMs: number, observations: readonly Observation[]): number {
  let moment = Number.POSITIVE_INFINITY;
  for (const { answeredAt, answeredMs, calledAt, calledMs } of observations) {
    if (calledMs >= sinceMs) moment = Math.min(moment, calledAt);
    else if (answeredMs >= sinceMs) moment = Math.min(moment, answeredAt);
  }
  return moment - 0.5;
}

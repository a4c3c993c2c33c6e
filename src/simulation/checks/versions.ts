/** What the checks share: which requests are what, and which quorums overlap. Pure. */
import { compareVersions } from '../../../native-free-lsm/index.ts';
import { Outcome } from '../../outcome.ts';
import type { History, Observation } from '../history.ts';
import { RequestMethod } from '../plan/plan.ts';

interface Versioned {
  readonly timestamp: number;
  readonly writer: number;
}

export function isOlder(one: Versioned, other: Versioned): boolean {
  return compareVersions(one.timestamp, one.writer, other.timestamp, other.writer) < 0;
}

export function isRead({ request }: Observation): boolean {
  return request.kind === RequestMethod.get;
}

export function isAcknowledgedWrite(observation: Observation): boolean {
  return !isRead(observation) && observation.outcome === Outcome.ok;
}

/** It has told what the key has: a value, or that there is none. */
export function isAnsweredRead(observation: Observation): boolean {
  const { outcome } = observation;
  return isRead(observation) && (outcome === Outcome.ok || outcome === Outcome.notFound);
}

/** How many machines have lost what was on their disks since the request began, until `untilMs`. */
export function lostDisks(
  { lossesMs }: History,
  { calledMs }: Observation,
  untilMs = Number.POSITIVE_INFINITY,
): number {
  return disksWithin(lossesMs, calledMs, untilMs);
}

/** How many of them may answer without anybody having noticed that they lack what the request has left there. */
export function slippedDisks(
  { slipsMs }: History,
  { calledMs }: Observation,
  untilMs = Number.POSITIVE_INFINITY,
): number {
  return disksWithin(slipsMs, calledMs, untilMs);
}

function disksWithin(momentsMs: readonly (readonly number[])[], sinceMs: number, untilMs: number): number {
  return momentsMs.filter((ofDisk) => ofDisk.some((atMs) => atMs >= sinceMs && atMs <= untilMs)).length;
}

export function byKey(observations: readonly Observation[]): Iterable<Observation[]> {
  return Map.groupBy(observations, ({ request }) => request.key).values();
}

export function describeRequest({ request, timestamp, writer }: Observation): string {
  const { ack, from, id, key, kind } = request;
  return `#${id} ${kind} ${key} ${ack}/${from} (version ${timestamp}.${writer.toString(16)})`;
}

/**
 * Whether it may be right that nothing at all is left of what was there before: by `atMost` a deletion, or a value that
 * expires, was asked for that is newer, and what it hides lies at or below
 * `settled`. Of one that was not acknowledged nobody knows the version.
 */
export function mayBePurged(
  observations: readonly Observation[],
  before: Versioned,
  atMost: number,
  settled: number,
): boolean {
  if (before.timestamp > settled) return false;
  return observations.some(
    (one) =>
      (one.request.kind === RequestMethod.delete || one.request.ttlMs > 0) &&
      one.calledAt < atMost &&
      (isAcknowledgedWrite(one) ? one.timestamp <= settled && !isOlder(one, before) : true),
  );
}

/**
 * A scan shows what one node has, in order, and nothing else: no key that clients did not write, no value that is deleted
 * or has expired there, and all that a write left with every owner, the node among them. Pure.
 */
import type { History, Observation, ScanObservation, StoredRecord, Violation } from '../history.ts';
import { RequestMethod } from '../plan/plan.ts';
import { endOf, isOver, type WorldTime } from './life.ts';
import { byKey, describeRequest, isAcknowledgedWrite, isOlder } from './versions.ts';

const CHECK = 'scans show what a node has';

/** @param positionOf where a machine is in a key's preference list */
export function checkScans(
  history: History,
  positionOf: (machine: string, key: string) => number,
  world: WorldTime,
): Violation[] {
  const ofKeys = [...byKey(history.observations)];
  return history.scans.flatMap((scan) => {
    const sentences =
      scan.entries === null ? [unanswered(scan)] : [formFault(scan), expiredEntry(history, scan, world)];
    for (const observations of ofKeys) {
      const position = positionOf(scan.machine, observations[0].request.key);
      sentences.push(staleEntry(history, scan, observations, position, world));
    }
    return sentences
      .filter((sentence) => sentence !== '')
      .map((sentence) => ({
        check: CHECK,
        sentence: `${nameOf(scan)} ${sentence}`,
        requests: [scan.request.id],
      }));
  });
}

/**
 * At rest, what a scan of everything shows is what is on the disk.
 * @param records what the scanned machine has
 */
export function checkScanAtRest(
  scan: ScanObservation,
  records: ReadonlyMap<string, StoredRecord>,
  { driftMs, startMs }: WorldTime,
): Violation[] {
  const found = new Set(scan.entries?.map(({ key }) => key));
  const violations: Violation[] = [];
  const object = (sentence: string): void =>
    void violations.push({ check: CHECK, sentence: `${nameOf(scan)} ${sentence}`, requests: [] });
  if (scan.entries === null) return violations;
  for (const key of found) if (!records.has(key)) object(`shows ${key}, which the node does not have`);
  for (const [key, { expiryMs, isTombstone }] of records) {
    const endMs = expiryMs === 0 ? Number.POSITIVE_INFINITY : expiryMs - startMs;
    if (found.has(key) && isTombstone) object(`shows ${key}, which is deleted`);
    else if (found.has(key) && endMs < scan.calledMs - Math.max(driftMs, scan.ownLagMs))
      object(`shows ${key}, which has expired`);
    else if (!found.has(key) && !isTombstone && endMs > scan.answeredMs + driftMs)
      object(`does not show ${key}, which is there`);
  }
  return violations;
}

function unanswered({ answeredAt, isCutOff }: ScanObservation): string {
  return answeredAt === Number.POSITIVE_INFINITY && !isCutOff ? 'never ends, and the node lives' : '';
}

function formFault({ entries, request }: ScanObservation): string {
  let last: string | null = null;
  for (const { fault, key } of entries!) {
    if (key < request.key || (request.endKey !== null && key >= request.endKey))
      return `shows ${key}, which lies outside of it`;
    if (last !== null && key <= last) return `shows ${key} behind ${last}`;
    if (fault !== '') return `shows ${fault}`;
    last = key;
  }
  return '';
}

function expiredEntry({ observations }: History, scan: ScanObservation, world: WorldTime): string {
  for (const { readId } of scan.entries!) {
    const written = observations.find(({ request }) => request.id === readId);
    if (
      written !== undefined &&
      isAcknowledgedWrite(written) &&
      isOver(written, scan.calledMs, scan.ownLagMs, world)
    )
      return `shows what ${describeRequest(written)} wrote, and began after its end`;
  }
  return '';
}

/** @param observations of one key */
function staleEntry(
  history: History,
  scan: ScanObservation,
  observations: readonly Observation[],
  position: number,
  world: WorldTime,
): string {
  const { key } = observations[0].request;
  const { endKey, key: startKey } = scan.request;
  if (scan.entries === null || key < startKey || (endKey !== null && key >= endKey)) return '';
  const newest = newestEverywhere(history, scan, observations, position);
  if (newest === null) return '';
  const entry = scan.entries.find((one) => one.key === key);
  if (entry === undefined) {
    const mayBeGone = observations.some((one) => mayHide(one, newest, scan, world));
    return mayBeGone ? '' : `does not show what ${describeRequest(newest)} wrote to all owners before it`;
  }
  const written = observations.find(({ request }) => request.id === entry.readId);
  if (written === undefined || !isAcknowledgedWrite(written) || !isOlder(written, newest)) return '';
  return `shows what ${describeRequest(written)} wrote, which is older than ${describeRequest(newest)}, done by all owners before it`;
}

/** The newest write that this machine is known to have when the scan begins: all owners have acknowledged it. */
function newestEverywhere(
  { lossesMs }: History,
  scan: ScanObservation,
  observations: readonly Observation[],
  position: number,
): Observation | null {
  let newest: Observation | null = null;
  for (const one of observations) {
    const { ack, from } = one.request;
    if (!isAcknowledgedWrite(one) || one.answeredAt > scan.calledAt) continue;
    if (ack < from || position >= from) continue;
    if (lossesMs[scan.node].some((lossMs) => lossMs >= one.calledMs)) continue;
    if (newest === null || isOlder(newest, one)) newest = one;
  }
  return newest;
}

/** Whether it may be why nothing is shown in the place of `newest`: it is a deletion, or may have expired. */
function mayHide(one: Observation, newest: Observation, scan: ScanObservation, world: WorldTime): boolean {
  const { kind, ttlMs } = one.request;
  if ((kind !== RequestMethod.delete && ttlMs === 0) || one.calledAt > scan.answeredAt) return false;
  // Of one that was not acknowledged nobody knows the version.
  if (!isAcknowledgedWrite(one)) return true;
  if (isOlder(one, newest)) return false;
  return kind === RequestMethod.delete || endOf(one) - world.driftMs <= world.startMs + scan.answeredMs;
}

function nameOf({ machine, request }: ScanObservation): string {
  return request.id < 0 ? `A scan of ${machine} at rest` : `#${request.id} scan of ${machine}`;
}

/**
 * When a value with an expiry is gone: one rule for all who look at it.
 *
 * - It expires at the time of its version (its timestamp) and its `ttl`: a moment that is part of the record, the same in
 *   every copy.
 * - It is gone for a node once this node's *own time* (own-time.ts) has come to that moment. Own time never goes back, and
 *   does not follow a wall clock that jumps. So what is gone for a node stays gone for it.
 * - A GET goes by the own time at which it began. What replicas say may be as old as that: a value that expires while
 *   the GET waits for the last answer may have been replaced before it expired, and then the key never was empty.
 * - Own times differ, by up to twice the drift allowed where both nodes' clocks are right. So a value that has just expired
 *   for one node is still there for another. A GET that finds one which expired within `freshMs` therefore brings its
 *   deletion to `ack` replicas before it answers that there is none, as it does with a version on which replicas differ.
 *   No GET whose quorum overlaps with this one's sees the value again, whichever node is asked.
 * - That deletion has a version of its own, directly behind the value's: the same timestamp, and the writer's lowest bit
 *   set, which no node's own number has. So it hides this value and what is older, and never another write.
 * - An engine turns an expired value into a deletion when it rewrites it, after `freshMs` more, when it is gone for all.
 *
 * Pure.
 */
import {
  encodeRecord,
  isTombstone,
  recordExpiryMs,
  recordFrom,
  recordTimestamp,
  recordWriter,
  timestampMs,
} from '../native-free-lsm/index.ts';

/** A node's own time, in ms since the Unix epoch. */
export interface ExpiryTime {
  nowMs(): number;
}

const NO_VALUE = new Uint8Array(0);
/** Twice what own times may differ by, as clocks are measured only twice a second. */
const FRESH_DRIFTS = 4;

/** How long a value that has expired for one node may still be there for another one. */
export function freshMsOf(nodes: number, maxClockDriftMs: number): number {
  return nodes === 1 ? 0 : FRESH_DRIFTS * maxClockDriftMs;
}

/**
 * For how long a record's value is there still. 0: it is not, as it is deleted or expired; Infinity: it has no end.
 * @param ownMs a node's own time
 */
export function lifeOf(record: Uint8Array, ownMs: number): number {
  if (isTombstone(record, 0)) return 0;
  const expiryMs = recordExpiryMs(record, 0);
  if (expiryMs === 0) return Number.POSITIVE_INFINITY;
  // A node whose time is behind, or not known yet, does not let a value live longer than it was given.
  const nowMs = Math.max(ownMs, timestampMs(recordTimestamp(record, 0)));
  return Math.max(expiryMs - nowMs, 0);
}

/**
 * The deletion that takes the place of a value which has just expired; null: it has not, or for so long that it is gone
 * for all.
 * @param ownMs a node's own time
 */
export function freshDeletion(record: Uint8Array, ownMs: number, freshMs: number): Uint8Array | null {
  const expiryMs = recordExpiryMs(record, 0);
  if (expiryMs === 0 || isTombstone(record, 0)) return null;
  const overdueMs = ownMs - expiryMs;
  if (overdueMs < 0 || overdueMs >= freshMs) return null;
  const writer = (recordWriter(record, 0) | 1) >>> 0;
  const version = { timestamp: recordTimestamp(record, 0), writer, from: recordFrom(record, 0) };
  return encodeRecord({ ...version, tombstone: true, expiryMs: 0 }, NO_VALUE);
}

/**
 * The time at which an engine turns expired values into deletions: later than that of any node, so that no copy is gone
 * before its time, whatever a wall clock shows. Until the node's own time is known, nothing has expired.
 */
export class BurialTime implements ExpiryTime {
  #time: ExpiryTime | null = null;
  #freshMs = 0;

  follow(time: ExpiryTime, freshMs: number): void {
    this.#time = time;
    this.#freshMs = freshMs;
  }

  nowMs(): number {
    return this.#time === null ? 0 : Math.max(this.#time.nowMs() - this.#freshMs, 0);
  }
}

/**
 * By this a node's versions are told from those that another one issued at the same time: 30 bits of its folder's
 * incarnation, so that a node that lost its folder, and with it what it had reserved of time, cannot issue a version
 * twice. The lowest bit is left to the deletions of expired values.
 */
export function writerIdOf(incarnation: string): number {
  return Number.parseInt(incarnation.slice(0, 8), 16) & 0x7fff_fffe;
}

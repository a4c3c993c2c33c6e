/**
 * One replica's answer to a read or a write, and who gets it: the same on its way out of the replica, over the
 * network, and into the coordinator that counts it. Plain data.
 */
import { encodeRecord } from '../native-free-lsm/index.ts';
import { FailureCode } from './failure.ts';

/** The numbers are also those on the wire (src/rpc/FORMAT.md): append only. */
export const ReplyKind = {
  /** A write is on the replica's disk, or a read found a record. */
  ok: 0,
  /** A read of a key the replica never had. */
  absent: 1,
  /** The replica did not, or will not, answer. */
  failed: 2,
  /** The replica answers but its data is not whole (an emptied folder): counts for no read quorum. */
  incomplete: 3,
  /** A write met the same version of its key or a newer one, and was not stored: `record` is that one's header. */
  stale: 4,
} as const;
export type ReplyKind = (typeof ReplyKind)[keyof typeof ReplyKind];

export interface ReplicaReply {
  readonly kind: ReplyKind;
  /**
   * Header and value of a read that is ok, or incomplete and found some; the header alone for a read of the version,
   * and of what a stale write met; else null. May be a view of what was received: it keeps up to 64 KiB of neighbours
   * alive, so copy it to keep it beyond the request.
   */
  readonly record: Uint8Array | null;
  /** Why, when failed or incomplete: a FailureCode, or a number that only the peer's newer build has a name for. */
  readonly code: number;
  /** Why it does not count, in a few words for the client, behind the node's name and a colon. */
  readonly reason: string;
}

export interface ReplySink {
  /** Called exactly once per question, possibly before the call that asked it returns. */
  onReply(position: number, reply: ReplicaReply): void;
}

const NOTHING = new Uint8Array(0);

export const STORED: ReplicaReply = answered(ReplyKind.ok, null);
export const ABSENT: ReplicaReply = answered(ReplyKind.absent, null);

export function found(record: Uint8Array): ReplicaReply {
  return answered(ReplyKind.ok, record);
}

/** @param header of the version that the write met */
export function metNewer(header: Uint8Array): ReplicaReply {
  return answered(ReplyKind.stale, header, 'it holds a newer version');
}

/** Of the header nothing but the version counts: the engine does not say what else it had. */
export function stale(timestamp: number, writer: number): ReplicaReply {
  return metNewer(encodeRecord({ timestamp, writer, tombstone: false, from: 0, expiryMs: 0 }, NOTHING));
}

/** @param code a FailureCode, or a number that only the peer's newer build has a name for */
export function failed(code: number, reason: string): ReplicaReply {
  return { kind: ReplyKind.failed, record: null, code, reason };
}

/** @param record null: it has none, or none any more */
export function incomplete(record: Uint8Array | null): ReplicaReply {
  return {
    kind: ReplyKind.incomplete,
    record,
    code: FailureCode.incomplete,
    reason: 'its data is not whole',
  };
}

function answered(kind: ReplyKind, record: Uint8Array | null, reason = ''): ReplicaReply {
  return { kind, record, code: FailureCode.none, reason };
}

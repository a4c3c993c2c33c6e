/**
 * One replica's answer to a read or a write, and its receiver. The same object is used in the replica, on the network,
 * and in the coordinator that counts answers. Plain data.
 */
import { encodeRecord, recordWriter } from '../native-free-lsm/index.ts';
import { FailureCode } from './failure.ts';

/** The numbers are those on the wire too (src/rpc/FORMAT.md): append only. */
export const ReplyKind = {
  /** A write is on the replica's disk, or a read found a record. */
  ok: 0,
  /** A read of a key that the replica never had. */
  absent: 1,
  /** The replica did not answer, or refused. */
  failed: 2,
  /** The replica answers, but its data is not whole (its folder was emptied): the answer counts for no read quorum. */
  incomplete: 3,
  /**
   * A write was not stored because the replica has the same version of its key or a newer one; `record` is its header.
   */
  stale: 4,
} as const;
export type ReplyKind = (typeof ReplyKind)[keyof typeof ReplyKind];

export interface ReplicaReply {
  readonly kind: ReplyKind;
  /**
   * Header and value for a read that is ok, or incomplete with a record. The header alone for a read of the version,
   * and for the version that a stale write met. Otherwise null. It may be a view of the receive buffer and keep up to
   * 64 KiB of it alive: copy it to keep it longer than the request.
   */
  readonly record: Uint8Array | null;
  /** Why it failed or is incomplete: a FailureCode, or a number for which only the peer's newer build has a name. */
  readonly code: number;
  /** Why it does not count: a few words for the client, shown after the node's name and a colon. */
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

/** Only the version in the header counts: the engine tells nothing else of the record it had. */
export function stale(timestamp: number, writer: number): ReplicaReply {
  return metNewer(encodeRecord({ timestamp, writer, tombstone: false, from: 0, expiryMs: 0 }, NOTHING));
}

/**
 * Of no node. A write that met a version of this writer met none that a client wrote: the timestamp is the replica's
 * watermark, at or below which it takes no version any more. What there was so early is settled among all owners, and
 * may be forgotten.
 */
export const SETTLED_WRITER = 0xffff_ffff;

/** Whether the version that a write met is no version of the key, but a watermark. */
export function isSettledVersion(header: Uint8Array): boolean {
  return recordWriter(header, 0) === SETTLED_WRITER;
}

/** @param code a FailureCode, or a number that only the peer's newer build has a name for */
export function failed(code: number, reason: string): ReplicaReply {
  return { kind: ReplyKind.failed, record: null, code, reason };
}

/** @param record null: the replica has none, or no longer has one */
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

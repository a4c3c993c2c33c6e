/**
 * A replica's answers. The same shapes and numbers as the coordinator's reply.ts, which lies above this layer and
 * counts them.
 */
import { encodeRecord } from '../../native-free-lsm/index.ts';

const NOTHING = new Uint8Array(0);

export const ReplicaReplyKind = {
  /** A write is stored, or a read found a record. */
  ok: 0,
  /** A read of a key that was never written here. */
  absent: 1,
  failed: 2,
  /** A read by a node whose data is not whole: counts for no read quorum. */
  incomplete: 3,
  /** A write met the same version of its key or a newer one, and was not stored. */
  stale: 4,
} as const;
export type ReplicaReplyKind = (typeof ReplicaReplyKind)[keyof typeof ReplicaReplyKind];

export interface ReplicaReply {
  readonly kind: ReplicaReplyKind;
  /** Header and value; header alone for a read of the version, and of what a stale write met. */
  readonly record: Uint8Array | null;
  readonly reason: string;
}

export interface ReplicaReplySink {
  /** Called exactly once per call, possibly before the call returns. */
  onReply(position: number, reply: ReplicaReply): void;
}

export const STORED: ReplicaReply = { kind: ReplicaReplyKind.ok, record: null, reason: '' };
export const ABSENT: ReplicaReply = { kind: ReplicaReplyKind.absent, record: null, reason: '' };

export function found(record: Uint8Array): ReplicaReply {
  return { kind: ReplicaReplyKind.ok, record, reason: '' };
}

/** Of the header nothing but the version counts: the engine does not say what else it had. */
export function stale(timestamp: number, writer: number): ReplicaReply {
  const record = encodeRecord({ timestamp, writer, tombstone: false, from: 0, expiryMs: 0 }, NOTHING);
  return { kind: ReplicaReplyKind.stale, record, reason: '' };
}

export function refused(reason: string): ReplicaReply {
  return { kind: ReplicaReplyKind.failed, record: null, reason };
}

export function incomplete(record: Uint8Array | null): ReplicaReply {
  return { kind: ReplicaReplyKind.incomplete, record, reason: 'its data is not whole' };
}

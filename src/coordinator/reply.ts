/**
 * One replica's answer to a read or a write, as the accumulator counts it. Plain data.
 */
export const ReplyKind = {
  /** A write is on the replica's disk, or a read that found a record. */
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
  /** Header and value of a read that is ok, or incomplete and found some; of a stale write see there; else null. */
  readonly record: Uint8Array | null;
  /** Why, when failed: a few words, for the client, behind the node's name and a colon. */
  readonly reason: string;
}

export const WRITE_OK: ReplicaReply = { kind: ReplyKind.ok, record: null, reason: '' };
export const READ_ABSENT: ReplicaReply = { kind: ReplyKind.absent, record: null, reason: '' };

export function failedReply(reason: string): ReplicaReply {
  return { kind: ReplyKind.failed, record: null, reason };
}

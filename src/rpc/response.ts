/** What a request to a peer is answered with: what the peer's own answer means, or why there is none. Pure. */
import { FailureCode } from '../failure.ts';
import {
  ABSENT,
  failed,
  found,
  incomplete,
  metNewer,
  type ReplicaReply,
  ReplyKind,
  STORED,
} from '../reply.ts';
import type { Message } from './message.ts';

export const NO_SUCH_PEER = failed(FailureCode.noSuchPeer, 'there is no such peer');
export const STOPPING = failed(FailureCode.stopping, 'the node is stopping');
export const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');
export const IN_FLIGHT_FULL = failed(FailureCode.inFlightFull, 'too many requests in flight to the peer');
export const QUEUE_FULL = failed(FailureCode.queueFull, 'the queue to the peer is full');
export const KEY_TOO_LONG = failed(FailureCode.keyTooLong, 'the key is too long');
export const VALUE_TOO_LARGE = failed(FailureCode.tooLarge, 'the value is larger than the peer takes');
export const NOT_SERVED = failed(FailureCode.notServed, 'the peer does not serve this operation');
const NO_RECORD = failed(FailureCode.protocol, 'the peer sent no record');
const UNFIT = failed(FailureCode.protocol, "the peer's answer is none to this operation");

/**
 * An answer that belongs to another question must not pass for an acknowledgement.
 *
 * @param wantsRecord whether success of what was asked for is a record
 * @param record that the answer came with
 * @param code and `reason`: of an answer that failed
 */
export function judgeAnswer(
  wantsRecord: boolean,
  kind: ReplyKind,
  record: Uint8Array | null,
  code: number,
  reason: string,
): ReplicaReply {
  switch (kind) {
    case ReplyKind.ok:
      if (!wantsRecord) return record === null ? STORED : UNFIT;
      return record === null ? NO_RECORD : found(record);
    case ReplyKind.absent:
      return wantsRecord ? ABSENT : UNFIT;
    case ReplyKind.stale:
      return wantsRecord || record === null ? UNFIT : metNewer(record);
    case ReplyKind.incomplete:
      return wantsRecord ? incomplete(record) : UNFIT;
    default:
      return failed(code, reason);
  }
}

/** @param wantsRecord what was asked is answered with a record */
export function replyOf(message: Message, wantsRecord: boolean): ReplicaReply {
  const record = message.bodyStart < 0 ? null : message.keptBody();
  return judgeAnswer(wantsRecord, message.replyKind, record, message.code, message.reason);
}

/** What an answer of a peer means to the one who asked. Pure. */
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

const NO_RECORD = failed(FailureCode.protocol, 'the peer sent no record');
const UNFIT = failed(FailureCode.protocol, "the peer's answer is none to this operation");

/** @param wantsRecord what was asked is answered with a record */
export function replyOf(message: Message, wantsRecord: boolean): ReplicaReply {
  const hasRecord = wantsRecord && message.bodyStart >= 0;
  switch (message.replyKind) {
    case ReplyKind.ok:
      // An answer that belongs to another question must not pass for an acknowledgement.
      if (!wantsRecord) return message.bodyStart < 0 ? STORED : UNFIT;
      return hasRecord ? found(message.keptBody()) : NO_RECORD;
    case ReplyKind.absent:
      return wantsRecord ? ABSENT : UNFIT;
    case ReplyKind.stale:
      return wantsRecord ? UNFIT : metNewer(message.keptBody());
    case ReplyKind.incomplete:
      if (!wantsRecord) return UNFIT;
      return incomplete(hasRecord ? message.keptBody() : null);
    default:
      return failed(message.code, message.reason);
  }
}

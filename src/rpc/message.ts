/**
 * One message as a connection reads it, in place. Pure.
 */

import { FailureCode } from '../failure.ts';
import { ReplyKind } from '../reply.ts';
import { MessageKind } from './operations.ts';

const EMPTY = Buffer.alloc(0);

/**
 * One decoded message. The reader fills the same object again and again; which fields mean something depends on
 * the kind. Byte ranges lie in `bytes`.
 */
export class Message {
  kind: MessageKind = MessageKind.ping;
  bytes: Buffer = EMPTY;
  /** `bytes` will hold something else when the reader goes on. */
  isPassing = false;
  /** request, response, cancel, fragment */
  id = 0;
  /** request; any number: what is not served is answered so */
  operation = 0;
  /** request: how long the asker waits */
  timeoutMs = 0;
  /** response */
  replyKind: ReplyKind = ReplyKind.ok;
  /** fragment: bytes of the whole message, and where this part belongs */
  total = 0;
  offset = 0;
  /** request of an operation that is known */
  keyStart = 0;
  keyEnd = 0;
  /** The record of a write or a response (start -1: none), a fragment's payload; a message of the handshake or a history from its array on. */
  bodyStart = -1;
  bodyEnd = -1;
  /** response that failed: a FailureCode, or a number that only a newer build has a name for */
  code: number = FailureCode.none;
  /** response that failed, refuse */
  reason = '';

  /** Lets go of the bytes last decoded. */
  clear(): void {
    this.bytes = EMPTY;
  }

  key(): Buffer {
    return this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  /** As long as the reader does not go on. */
  body(): Buffer {
    return this.bytes.subarray(this.bodyStart, this.bodyEnd);
  }

  /** For good. */
  keptBody(): Buffer {
    return this.isPassing ? Buffer.from(this.body()) : this.body();
  }
}

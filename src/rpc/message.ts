/** One message, decoded in place. Pure. */

import { copyBytes } from '../../native-free-lsm/index.ts';
import { FailureCode } from '../failure.ts';
import { ReplyKind } from '../reply.ts';
import { MessageKind } from './operations.ts';

const EMPTY = Buffer.alloc(0);

/**
 * One decoded message. The reader fills the same object again and again; the kind says which fields have a meaning.
 * Byte ranges lie in `bytes`.
 */
export class Message {
  kind: MessageKind = MessageKind.ping;
  bytes: Buffer = EMPTY;
  /** Whether `bytes` will hold something else when the reader goes on. */
  isPassing = false;
  /** request, response, cancel, fragment */
  id = 0;
  /** request: any number; an operation that is not served is answered so */
  operation = 0;
  /** request: how long the sender waits */
  timeoutMs = 0;
  /** response */
  replyKind: ReplyKind = ReplyKind.ok;
  /** fragment: bytes of the whole message, and the offset of this part */
  total = 0;
  offset = 0;
  /** request of a known operation */
  keyStart = 0;
  keyEnd = 0;
  /**
   * The record of a write or a response (start -1: none), or a fragment's payload. For a message of the handshake or a
   * history, its bytes from the array on.
   */
  bodyStart = -1;
  bodyEnd = -1;
  /** response that failed: a FailureCode, or a number for which only a newer build has a name */
  code: number = FailureCode.none;
  /** response that failed, refuse */
  reason = '';

  /** Drops the reference to the bytes last decoded. */
  clear(): void {
    this.bytes = EMPTY;
  }

  key(): Buffer {
    return this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  /** The body as a view, valid until the reader goes on. */
  body(): Buffer {
    return this.bytes.subarray(this.bodyStart, this.bodyEnd);
  }

  /** The body as bytes that stay valid: copied if it must be. */
  keptBody(): Buffer {
    if (!this.isPassing) return this.body();
    const kept = Buffer.allocUnsafe(this.bodyEnd - this.bodyStart);
    copyBytes(this.bytes, this.bodyStart, this.bodyEnd, kept, 0);
    return kept;
  }
}

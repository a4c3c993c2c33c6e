/**
 * One message as a connection reads it, in place. Pure.
 */

import { ReplyKind } from '../reply.ts';
import { MsgpackCursor, protocolError } from './msgpack.ts';
import { MessageKind, Operation } from './operations.ts';

const EMPTY = Buffer.alloc(0);

/**
 * One decoded message. The reader fills the same object again and again; which fields mean something depends on
 * the kind. Byte ranges lie in `bytes`.
 */
export class Message {
  kind: MessageKind = MessageKind.ping;
  bytes: Buffer = EMPTY;
  /** request, response, cancel, fragment */
  id = 0;
  /** request; any number: what is not served is answered so */
  operation = 0;
  /** request: how long the asker waits */
  timeoutMs = 0;
  /** response */
  status: ReplyKind = ReplyKind.ok;
  /** fragment: bytes of the whole message, and where this part belongs */
  total = 0;
  offset = 0;
  /** request of an operation that is known */
  keyStart = 0;
  keyEnd = 0;
  /** The record of a write or a response (start -1: none), a fragment's payload; a message of the handshake or a history from its array on. */
  bodyStart = -1;
  bodyEnd = -1;
  /** response that failed, refuse */
  reason = '';

  key(): Buffer {
    return this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  body(): Buffer {
    return this.bytes.subarray(this.bodyStart, this.bodyEnd);
  }
}

/** Reads messages; one a connection. */
export class MessageDecoder {
  readonly #cursor = new MsgpackCursor();

  /** @throws QuorateError PROTOCOL, for whatever is not one whole message; nothing else */
  decode(bytes: Buffer, start: number, end: number, into: Message): void {
    const cursor = this.#cursor;
    cursor.reset(bytes, start, end);
    const length = cursor.arrayLength();
    const kind = cursor.uint();
    into.bytes = bytes;
    switch (kind) {
      case MessageKind.request:
        this.#decodeRequest(length, end, into);
        break;
      case MessageKind.response:
        this.#decodeResponse(length, into);
        break;
      case MessageKind.fragment:
        this.#decodeFragment(length, into);
        break;
      case MessageKind.cancel:
        expectLength(length, 2);
        into.id = cursor.uint();
        cursor.finish();
        break;
      case MessageKind.ping:
      case MessageKind.pong:
        expectLength(length, 1);
        cursor.finish();
        break;
      case MessageKind.refuse:
        expectLength(length, 2);
        into.reason = cursor.text();
        cursor.finish();
        break;
      case MessageKind.hello:
      case MessageKind.welcome:
      case MessageKind.history:
      case MessageKind.challenge:
      case MessageKind.proof:
      case MessageKind.seal:
        into.bodyStart = start;
        into.bodyEnd = end;
        break;
      default:
        throw protocolError(`message kind ${kind} is unknown`);
    }
    into.kind = kind;
  }

  /** Lets go of the bytes last decoded. */
  clear(message: Message): void {
    this.#cursor.clear();
    message.bytes = EMPTY;
  }

  #decodeRequest(length: number, end: number, into: Message): void {
    const cursor = this.#cursor;
    if (length < 4) throw protocolError(`a request of ${length} elements`);
    into.id = cursor.uint();
    into.operation = cursor.uint();
    into.timeoutMs = cursor.uint();
    into.bodyStart = -1;
    switch (into.operation) {
      case Operation.read:
      case Operation.readVersion:
        expectLength(length, 5);
        this.#decodeKey(into);
        cursor.finish();
        break;
      case Operation.clock:
        expectLength(length, 4);
        into.keyStart = into.keyEnd = end;
        cursor.finish();
        break;
      case Operation.write:
        expectLength(length, 6);
        this.#decodeKey(into);
        cursor.bin();
        into.bodyStart = cursor.binStart;
        into.bodyEnd = cursor.binEnd;
        cursor.finish();
        break;
      default:
        // Its arguments are whatever the asker's build knows: it is told that this one does not.
        into.keyStart = into.keyEnd = end;
    }
  }

  #decodeKey(into: Message): void {
    this.#cursor.bin();
    into.keyStart = this.#cursor.binStart;
    into.keyEnd = this.#cursor.binEnd;
  }

  #decodeResponse(length: number, into: Message): void {
    const cursor = this.#cursor;
    expectLength(length, 4);
    into.id = cursor.uint();
    const status = cursor.uint();
    into.bodyStart = -1;
    into.reason = '';
    switch (status) {
      case ReplyKind.ok:
      case ReplyKind.incomplete:
        cursor.binOrNil();
        into.bodyStart = cursor.binStart;
        into.bodyEnd = cursor.binEnd;
        break;
      case ReplyKind.stale:
        cursor.bin();
        into.bodyStart = cursor.binStart;
        into.bodyEnd = cursor.binEnd;
        break;
      case ReplyKind.absent:
        cursor.nil();
        break;
      case ReplyKind.failed:
        into.reason = cursor.text();
        break;
      default:
        throw protocolError(`response status ${status} is unknown`);
    }
    into.status = status;
    cursor.finish();
  }

  #decodeFragment(length: number, into: Message): void {
    const cursor = this.#cursor;
    expectLength(length, 5);
    into.id = cursor.uint();
    into.total = cursor.uint();
    into.offset = cursor.uint();
    cursor.bin();
    into.bodyStart = cursor.binStart;
    into.bodyEnd = cursor.binEnd;
    cursor.finish();
    const payloadBytes = into.bodyEnd - into.bodyStart;
    if (payloadBytes === 0 || into.offset + payloadBytes > into.total) {
      throw protocolError(`a fragment of ${payloadBytes} bytes at ${into.offset} of ${into.total}`);
    }
  }
}

function expectLength(length: number, expected: number): void {
  if (length !== expected) throw protocolError(`a message of ${length} elements instead of ${expected}`);
}

/** Reads messages in place, as FORMAT.md draws them. Pure. */

import { protocolError } from '../errors.ts';
import { FailureCode, MAX_FAILURE_CODE } from '../failure.ts';
import { MsgpackCursor } from '../msgpack.ts';
import { ReplyKind } from '../reply.ts';
import type { Message } from './message.ts';
import { Arguments, OPERATIONS } from './operation-table.ts';
import { MessageKind } from './operations.ts';

/** Reads messages. There is one per connection. */
export class MessageDecoder {
  readonly #cursor = new MsgpackCursor();

  /** @throws QuorateError PROTOCOL, and nothing else, for bytes that are not one whole message */
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

  /** Drops the reference to the bytes last decoded. */
  clear(message: Message): void {
    this.#cursor.clear();
    message.clear();
  }

  #decodeRequest(length: number, end: number, into: Message): void {
    const cursor = this.#cursor;
    if (length < 4) throw protocolError(`a request of ${length} elements`);
    into.id = cursor.uint();
    into.operation = cursor.uint();
    into.timeoutMs = cursor.uint();
    into.bodyStart = -1;
    const operation = OPERATIONS[into.operation];
    if (operation === undefined) {
      // Only the sender's build knows the arguments: it is told that this build does not serve the operation.
      into.keyStart = into.keyEnd = end;
      return;
    }
    expectLength(length, 4 + operation.arguments);
    if (operation.arguments === Arguments.none) into.keyStart = into.keyEnd = end;
    else this.#decodeKey(into);
    if (operation.arguments === Arguments.keyAndRecord) {
      cursor.bin();
      into.bodyStart = cursor.binStart;
      into.bodyEnd = cursor.binEnd;
    }
    cursor.finish();
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
    const replyKind = cursor.uint();
    into.bodyStart = -1;
    switch (replyKind) {
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
        this.#decodeFailure(into);
        break;
      default:
        throw protocolError(`reply kind ${replyKind} is unknown`);
    }
    into.replyKind = replyKind;
    cursor.finish();
  }

  #decodeFailure(into: Message): void {
    const cursor = this.#cursor;
    expectLength(cursor.arrayLength(), 2);
    const code = cursor.uint();
    if (code === FailureCode.none || code > MAX_FAILURE_CODE)
      throw protocolError(`failure code ${code} can be none`);
    into.code = code;
    into.reason = cursor.text();
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
  if (length !== expected) throw protocolError(`an array of ${length} elements instead of ${expected}`);
}

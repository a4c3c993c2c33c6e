/**
 * The frames between nodes as FORMAT.md draws them: a length and a msgpack array. Requests, responses and fragments are
 * written in place into the buffer that goes to the socket, and read in place (message-decoder.ts); only the
 * handshake's messages go through msgpackr (hello.ts). Pure.
 *
 * Writing in place was measured (Node 26, key of 10 bytes, record of 30): a write frame takes 60 ns to encode against
 * 480 ns with msgpackr and a copy, and 110 ns to decode with its two views against 155 ns; a response takes 60 ns
 * against 110 ns.
 */

import { copyBytes } from '../../native-free-lsm/index.ts';
import {
  binHeadBytes,
  TEXT_HEAD_BYTES,
  UINT_8_BYTES,
  UINT_32_BYTES,
  writeArrayHead,
  writeBinHead,
  writeNil,
  writeTextHead,
  writeUint8,
  writeUint32,
} from '../msgpack.ts';
import { ReplyKind } from '../reply.ts';
import { MessageKind } from './operations.ts';

/** u32, big-endian: how many bytes of message follow. */
export const FRAME_LENGTH_BYTES = 4;
/** A message up to this size travels in one frame, a larger one in fragments that carry this much each. */
export const FRAGMENT_BYTES = 65_536;
/** Longer frames are refused. */
export const MAX_FRAME_BYTES = FRAGMENT_BYTES + 64;
/** Room for what a message holds besides a value: heads, the key and the record's header. */
const MESSAGE_OVERHEAD_BYTES = 8_192;
const MAX_REASON_BYTES = 1_024;

/** Array head, kind and id. */
const HEAD_BYTES = 2 + UINT_32_BYTES;
const REQUEST_HEAD_BYTES = HEAD_BYTES + 1 + UINT_32_BYTES;
export const PLAIN_REQUEST_FRAME_BYTES = FRAME_LENGTH_BYTES + REQUEST_HEAD_BYTES;
const RESPONSE_HEAD_BYTES = HEAD_BYTES + 1;
export const CANCEL_FRAME_BYTES = FRAME_LENGTH_BYTES + HEAD_BYTES;
const FRAGMENT_HEAD_BYTES = HEAD_BYTES + 2 * UINT_32_BYTES;

/** The largest message a node takes that stores values of up to `maxValueBytes`. */
export function maxMessageBytes(maxValueBytes: number): number {
  return maxValueBytes + MESSAGE_OVERHEAD_BYTES;
}

export function writeFrameLength(target: Uint8Array, at: number, length: number): number {
  target[at] = length >>> 24;
  target[at + 1] = length >>> 16;
  target[at + 2] = length >>> 8;
  target[at + 3] = length;
  return at + FRAME_LENGTH_BYTES;
}

export function readFrameLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

/** The size of a request message with a key: read and readVersion. */
export function keyRequestBytes(keyBytes: number): number {
  return REQUEST_HEAD_BYTES + binHeadBytes(keyBytes) + keyBytes;
}

/** Writes one frame and returns the offset behind it, as all `encode…` functions do. */
export function encodeKeyRequest(
  target: Uint8Array,
  at: number,
  id: number,
  operation: number,
  timeoutMs: number,
  key: Uint8Array,
): number {
  let next = writeFrameLength(target, at, keyRequestBytes(key.length));
  next = writeRequestHead(target, next, 5, id, operation, timeoutMs);
  return writeBin(target, next, key);
}

/** A request without arguments: clock. */
export function encodePlainRequest(
  target: Uint8Array,
  at: number,
  id: number,
  operation: number,
  timeoutMs: number,
): number {
  const next = writeFrameLength(target, at, REQUEST_HEAD_BYTES);
  return writeRequestHead(target, next, 4, id, operation, timeoutMs);
}

/** The size of a message with a key and a record: write and repairWrite. */
export function writeRequestBytes(keyBytes: number, recordBytes: number): number {
  return keyRequestBytes(keyBytes) + binHeadBytes(recordBytes) + recordBytes;
}

export function encodeWriteRequest(
  target: Uint8Array,
  at: number,
  id: number,
  operation: number,
  timeoutMs: number,
  key: Uint8Array,
  record: Uint8Array,
): number {
  const next = writeFrameLength(target, at, writeRequestBytes(key.length, record.length));
  const recordAt = encodeWriteHead(target, next, id, operation, timeoutMs, key, record.length);
  return writeBytes(target, recordAt, record);
}

/** Writes such a message up to the place where the record's bytes start. */
export function encodeWriteHead(
  target: Uint8Array,
  at: number,
  id: number,
  operation: number,
  timeoutMs: number,
  key: Uint8Array,
  recordBytes: number,
): number {
  const next = writeRequestHead(target, at, 6, id, operation, timeoutMs);
  return writeBinHead(target, writeBin(target, next, key), recordBytes);
}

/** @param record null: none */
export function responseBytes(record: Uint8Array | null): number {
  return RESPONSE_HEAD_BYTES + (record === null ? 1 : binHeadBytes(record.length) + record.length);
}

/** Writes a response that is not `failed`. */
export function encodeResponse(
  target: Uint8Array,
  at: number,
  id: number,
  kind: ReplyKind,
  record: Uint8Array | null,
): number {
  let next = writeFrameLength(target, at, responseBytes(record));
  next = writeResponseHead(target, next, id, kind);
  return record === null ? writeNil(target, next) : writeBin(target, next, record);
}

/** Writes a response's message up to the place where the record's bytes start. */
export function encodeResponseHead(
  target: Uint8Array,
  at: number,
  id: number,
  kind: ReplyKind,
  recordBytes: number,
): number {
  return writeBinHead(target, writeResponseHead(target, at, id, kind), recordBytes);
}

/** A reason in UTF-8, cut to the length that a frame takes; a sequence that the cut splits is read as U+FFFD. */
export function encodeReason(reason: string): Buffer {
  const utf8 = Buffer.from(reason);
  return utf8.length > MAX_REASON_BYTES ? utf8.subarray(0, MAX_REASON_BYTES) : utf8;
}

export function failedResponseFrameBytes(reason: Buffer): number {
  return FRAME_LENGTH_BYTES + RESPONSE_HEAD_BYTES + 1 + UINT_8_BYTES + textBytes(reason);
}

/** @param code from 1 to MAX_FAILURE_CODE */
export function encodeFailedResponse(
  target: Uint8Array,
  at: number,
  id: number,
  code: number,
  reason: Buffer,
): number {
  let next = writeFrameLength(target, at, failedResponseFrameBytes(reason) - FRAME_LENGTH_BYTES);
  next = writeArrayHead(target, writeResponseHead(target, next, id, ReplyKind.failed), 2);
  return writeText(target, writeUint8(target, next, code), reason);
}

export function encodeCancel(target: Uint8Array, at: number, id: number): number {
  return writeHead(target, writeFrameLength(target, at, HEAD_BYTES), 2, MessageKind.cancel, id);
}

/** A frame in memory of its own that says why the sender does not talk to the receiver. */
export function encodeRefusal(reason: string): Buffer {
  const utf8 = encodeReason(reason);
  const frame = Buffer.allocUnsafe(FRAME_LENGTH_BYTES + 2 + textBytes(utf8));
  const next = writeArrayHead(frame, writeFrameLength(frame, 0, frame.length - FRAME_LENGTH_BYTES), 2);
  frame[next] = MessageKind.refuse;
  writeText(frame, next + 1, utf8);
  return frame;
}

export const PING_FRAME: Uint8Array = Uint8Array.of(0, 0, 0, 2, 0x91, MessageKind.ping);
export const PONG_FRAME: Uint8Array = Uint8Array.of(0, 0, 0, 2, 0x91, MessageKind.pong);

export function fragmentFrameBytes(payloadBytes: number): number {
  return FRAME_LENGTH_BYTES + FRAGMENT_HEAD_BYTES + binHeadBytes(payloadBytes) + payloadBytes;
}

/**
 * Writes a fragment's frame up to the place where its payload starts.
 * @param total bytes of the whole message
 * @param offset where the payload belongs in the message
 */
export function encodeFragmentHead(
  target: Uint8Array,
  at: number,
  id: number,
  total: number,
  offset: number,
  payloadBytes: number,
): number {
  let next = writeFrameLength(target, at, fragmentFrameBytes(payloadBytes) - FRAME_LENGTH_BYTES);
  next = writeHead(target, next, 5, MessageKind.fragment, id);
  next = writeUint32(target, writeUint32(target, next, total), offset);
  return writeBinHead(target, next, payloadBytes);
}

/** Gives the request or response whose message starts at `at` another id: it was encoded before, for several peers. */
export function writeMessageId(target: Uint8Array, at: number, id: number): void {
  writeUint32(target, at + 2, id);
}

/** Gives a request whose message starts at `at` another time-out. */
export function writeMessageTimeout(target: Uint8Array, at: number, timeoutMs: number): void {
  writeUint32(target, at + HEAD_BYTES + 1, timeoutMs);
}

function writeHead(target: Uint8Array, at: number, elements: number, kind: MessageKind, id: number): number {
  const next = writeArrayHead(target, at, elements);
  target[next] = kind;
  return writeUint32(target, next + 1, id);
}

function writeRequestHead(
  target: Uint8Array,
  at: number,
  elements: number,
  id: number,
  operation: number,
  timeoutMs: number,
): number {
  const next = writeHead(target, at, elements, MessageKind.request, id);
  target[next] = operation;
  return writeUint32(target, next + 1, timeoutMs);
}

function writeResponseHead(target: Uint8Array, at: number, id: number, kind: ReplyKind): number {
  const next = writeHead(target, at, 4, MessageKind.response, id);
  target[next] = kind;
  return next + 1;
}

/** Bytes with a head before them. */
export function writeBin(target: Uint8Array, at: number, bytes: Uint8Array): number {
  return writeBytes(target, writeBinHead(target, at, bytes.length), bytes);
}

/** Bytes without a head. */
export function writeBytes(target: Uint8Array, at: number, bytes: Uint8Array): number {
  copyBytes(bytes, 0, bytes.length, target, at);
  return at + bytes.length;
}

/** @param utf8 shorter than 64 KiB */
function writeText(target: Uint8Array, at: number, utf8: Uint8Array): number {
  return writeBytes(target, writeTextHead(target, at, utf8.length), utf8);
}

function textBytes(utf8: Uint8Array): number {
  return TEXT_HEAD_BYTES + utf8.length;
}

/**
 * The handshake's messages in bytes, by msgpackr. Its `pack` and `unpack` entries are plain JavaScript; the
 * package's main entry looks for a native part and is never imported. Pure.
 */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { FRAME_HEADER_BYTES, writeFrameLength } from './codec.ts';
import type { Hello } from './handshake.ts';
import { protocolError } from './msgpack.ts';
import { type MessageKind, PROTOCOL_VERSION } from './operations.ts';

/** Second element of every hello: says at once when something else than a node is speaking. */
export const HELLO_MAGIC = 'quorate-rpc';
/** Before both sides have agreed, no frame may be longer. */
export const MAX_HELLO_BYTES = 4_096;
const MAX_TEXT_LENGTH = 512;
const ELEMENTS = 11;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** A whole frame of its own memory. */
export function encodeHello(
  kind: typeof MessageKind.hello | typeof MessageKind.welcome,
  hello: Hello,
): Buffer {
  const message = packr.pack([
    kind,
    HELLO_MAGIC,
    hello.protocolVersion,
    hello.features,
    hello.clusterId,
    hello.nodeId,
    hello.incarnation,
    hello.topologyDigest,
    hello.maxValueBytes,
    hello.declared,
    hello.remembered,
  ]);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + message.length);
  frame.set(message, writeFrameLength(frame, 0, message.length));
  return frame;
}

/**
 * The first six elements stay where they are in every version, so that nodes of different versions can still say
 * who they are; the rest is read only when the version is this one's.
 *
 * @param bytes the message alone
 * @throws QuorateError PROTOCOL, and nothing else
 */
export function decodeHello(bytes: Uint8Array): Hello {
  let fields: unknown;
  try {
    fields = unpackr.unpack(bytes);
  } catch (error) {
    throw protocolError(`a handshake that is not msgpack: ${String(error)}`);
  }
  if (!Array.isArray(fields) || fields.length < 6 || fields[1] !== HELLO_MAGIC) {
    throw protocolError('a handshake that is not a node of this kind');
  }
  const reader = new FieldReader(fields);
  const protocolVersion = reader.whole(2);
  const base = {
    protocolVersion,
    features: reader.whole(3),
    clusterId: reader.text(4),
    nodeId: reader.text(5),
  };
  if (protocolVersion !== PROTOCOL_VERSION) {
    return {
      ...base,
      incarnation: '',
      topologyDigest: '',
      maxValueBytes: 0,
      declared: false,
      remembered: null,
    };
  }
  if (fields.length !== ELEMENTS) throw protocolError(`a handshake of ${fields.length} elements`);
  return {
    ...base,
    incarnation: reader.text(6),
    topologyDigest: reader.text(7),
    maxValueBytes: reader.whole(8),
    declared: reader.flag(9),
    remembered: reader.textOrNull(10),
  };
}

class FieldReader {
  readonly #fields: readonly unknown[];

  constructor(fields: readonly unknown[]) {
    this.#fields = fields;
  }

  whole(index: number): number {
    const field = this.#fields[index];
    if (typeof field === 'number' && Number.isInteger(field) && field >= 0 && field <= 0xffff_ffff)
      return field;
    throw wrongField(index, 'a whole number of 32 bits');
  }

  text(index: number): string {
    const field = this.#fields[index];
    if (typeof field === 'string' && field.length <= MAX_TEXT_LENGTH) return field;
    throw wrongField(index, `a text of up to ${MAX_TEXT_LENGTH} characters`);
  }

  textOrNull(index: number): string | null {
    return this.#fields[index] === null ? null : this.text(index);
  }

  flag(index: number): boolean {
    const field = this.#fields[index];
    if (typeof field === 'boolean') return field;
    throw wrongField(index, 'true or false');
  }
}

function wrongField(index: number, expected: string): Error {
  return protocolError(`element ${index} of a handshake is not ${expected}`);
}

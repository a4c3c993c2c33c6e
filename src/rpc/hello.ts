/**
 * The handshake messages in which nodes tell who they are and how far they have come, encoded with msgpackr. Its `pack`
 * and `unpack` entries are plain JavaScript; the package's main entry looks for a native part and is never imported.
 * Pure.
 */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { protocolError } from '../errors.ts';
import {
  type FolderHistory,
  type FolderMemory,
  type FolderStart,
  MAX_STARTS,
  type ToldFolder,
} from '../folder-history.ts';
import { FRAME_LENGTH_BYTES, writeFrameLength } from './codec.ts';
import type { Hello } from './handshake.ts';
import { MessageKind, PROTOCOL_VERSION } from './operations.ts';

/** The second element of every hello: it shows at once when the other side is not a node. */
export const HELLO_MAGIC = 'quorate-rpc';
/** The longest frame before both sides have agreed. */
export const MAX_HELLO_BYTES = 4_096;
const MAX_TEXT_LENGTH = 512;
const ELEMENTS = 15;
const MEMORY_ELEMENTS = 4;
const MAX_PORT = 65_535;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** Returns a whole frame in memory of its own. */
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
    hello.declaredMs,
    ...historyFields(hello.history),
    memoryFields(hello.remembered),
    hello.addressee,
    hello.peerHttpPort,
  ]);
  return frameOf(message);
}

/** Returns a whole frame in memory of its own. */
export function encodeHistory({ history, declaredMs }: ToldFolder): Buffer {
  return frameOf(packr.pack([MessageKind.history, ...historyFields(history), declaredMs]));
}

function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_LENGTH_BYTES + message.length);
  frame.set(message, writeFrameLength(frame, 0, message.length));
  return frame;
}

function historyFields({ progress, starts }: FolderHistory): unknown[] {
  return [progress, starts.flatMap(({ id, from }) => [id, from])];
}

function memoryFields(memory: FolderMemory | null): unknown {
  if (memory === null) return null;
  return [memory.incarnation, memory.startId, memory.progress, memory.declaredMs];
}

/**
 * The first six elements keep their places in every version, so that nodes of different versions can still say who they
 * are. The rest is read only when the version is this one's.
 * @param bytes the message alone
 * @throws QuorateError PROTOCOL, and nothing else
 */
export function decodeHello(bytes: Uint8Array): Hello {
  const fields = unpackArray(bytes);
  if (fields.length < 6 || fields[1] !== HELLO_MAGIC) {
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
      declaredMs: 0,
      history: { progress: 0, starts: [] },
      remembered: null,
      addressee: '',
      peerHttpPort: 0,
    };
  }
  if (fields.length !== ELEMENTS) throw protocolError(`a handshake of ${fields.length} elements`);
  return {
    ...base,
    incarnation: reader.text(6),
    topologyDigest: reader.text(7),
    maxValueBytes: reader.whole(8),
    declaredMs: reader.safe(9),
    history: reader.history(10),
    remembered: reader.memory(12),
    addressee: reader.text(13),
    peerHttpPort: reader.port(14),
  };
}

/**
 * @param bytes the message alone
 * @throws QuorateError PROTOCOL, and nothing else
 */
export function decodeHistory(bytes: Uint8Array): ToldFolder {
  const fields = unpackArray(bytes);
  if (fields.length !== 4) throw protocolError(`a history of ${fields.length} elements`);
  const reader = new FieldReader(fields);
  return { history: reader.history(1), declaredMs: reader.safe(3) };
}

function unpackArray(bytes: Uint8Array): readonly unknown[] {
  let fields: unknown;
  try {
    fields = unpackr.unpack(bytes);
  } catch (error) {
    throw protocolError(`a handshake that is not msgpack: ${String(error)}`);
  }
  if (Array.isArray(fields)) return fields;
  throw protocolError('a handshake that is not an array');
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

  /** 0: none. */
  port(index: number): number {
    const port = this.whole(index);
    if (port <= MAX_PORT) return port;
    throw wrongField(index, 'the number of a port');
  }

  text(index: number): string {
    const field = this.#fields[index];
    if (typeof field === 'string' && field.length <= MAX_TEXT_LENGTH) return field;
    throw wrongField(index, `a text of up to ${MAX_TEXT_LENGTH} characters`);
  }

  /** A time or a count. */
  safe(index: number): number {
    const field = this.#fields[index];
    if (Number.isSafeInteger(field) && (field as number) >= 0) return field as number;
    throw wrongField(index, 'a whole number of 53 bits');
  }

  /** Two elements: the progress, and a list of each start's id and progress in turn. */
  history(index: number): FolderHistory {
    const list = this.#fields[index + 1];
    if (!Array.isArray(list) || list.length % 2 !== 0 || list.length > 2 * MAX_STARTS) {
      throw wrongField(index + 1, `a list of up to ${MAX_STARTS} starts`);
    }
    const numbers = new FieldReader(list);
    const starts: FolderStart[] = [];
    for (let i = 0; i < list.length; i += 2) starts.push({ id: numbers.whole(i), from: numbers.safe(i + 1) });
    return { progress: this.safe(index), starts };
  }

  memory(index: number): FolderMemory | null {
    const field = this.#fields[index];
    if (field === null) return null;
    if (!Array.isArray(field) || field.length !== MEMORY_ELEMENTS) {
      throw wrongField(index, `nil or a list of ${MEMORY_ELEMENTS}`);
    }
    const reader = new FieldReader(field);
    return {
      incarnation: reader.text(0),
      startId: reader.whole(1),
      progress: reader.safe(2),
      declaredMs: reader.safe(3),
    };
  }
}

function wrongField(index: number, expected: string): Error {
  return protocolError(`element ${index} of a handshake is not ${expected}`);
}

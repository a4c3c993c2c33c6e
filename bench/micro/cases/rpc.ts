import { ReplyKind } from '../../../src/reply.ts';
import { encodeKeyRequest, encodeResponse, encodeWriteRequest } from '../../../src/rpc/codec.ts';
import { FrameSplitter } from '../../../src/rpc/frame-splitter.ts';
import { decodeHello, encodeHello } from '../../../src/rpc/hello.ts';
import { Message } from '../../../src/rpc/message.ts';
import { MessageDecoder } from '../../../src/rpc/message-decoder.ts';
import { FEATURES, READ, WRITE } from '../../../src/rpc/operation-table.ts';
import { MessageKind, PROTOCOL_VERSION } from '../../../src/rpc/operations.ts';
import { evenKey, recordOf } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const MESSAGES = 512;
const KEY = evenKey(7);
const RECORD = recordOf(7);

type Encode = (target: Buffer, at: number, id: number) => number;

/** By FORMAT.md: length 4, array and kind 2, id 5, operation 1, time 5, key 2 + 9, record 2 + 30. */
const READ_BYTES = 28;
const WRITE_BYTES = 60;
/** Length 4, array and kind 2, id 5, status 1, record 2 + 30. */
const RESPONSE_BYTES = 44;

const encodeRead: Encode = (target, at, id) => encodeKeyRequest(target, at, id, READ.number, 1000, KEY);
const encodeWrite: Encode = (target, at, id) =>
  encodeWriteRequest(target, at, id, WRITE.number, 1000, KEY, RECORD);
const encodeFound: Encode = (target, at, id) => encodeResponse(target, at, id, ReplyKind.ok, RECORD);

function frames(encode: Encode, frameBytes: number): Buffer {
  const target = Buffer.alloc(MESSAGES * frameBytes);
  let at = 0;
  for (let id = 1; id <= MESSAGES; id++) at = encode(target, at, id);
  return target;
}

function encoding(what: string, encode: Encode, frameBytes: number): MicroCase {
  return {
    name: `RPC: encode ${what}`,
    operations: MESSAGES,
    prepare: () => {
      const target = Buffer.alloc(MESSAGES * frameBytes);
      return {
        run: () => {
          let at = 0;
          for (let id = 1; id <= MESSAGES; id++) at = encode(target, at, id);
          return at + target.readUInt32BE(at - frameBytes + 7);
        },
        // The last id stands behind length, array, kind and its own head.
        expected: MESSAGES * frameBytes + MESSAGES,
      };
    },
  };
}

function decoding(what: string, encode: Encode, frameBytes: number, rangesBytes: number): MicroCase {
  return {
    name: `RPC: decode ${what}`,
    operations: MESSAGES,
    prepare: () => {
      const bytes = frames(encode, frameBytes);
      const decoder = new MessageDecoder();
      const message = new Message();
      return {
        run: () => {
          let sum = 0;
          for (let at = 0; at < bytes.length; at += frameBytes) {
            decoder.decode(bytes, at + 4, at + frameBytes, message);
            sum += message.id + message.keyEnd - message.keyStart + message.bodyEnd - message.bodyStart;
          }
          return sum;
        },
        expected: (MESSAGES * (MESSAGES + 1)) / 2 + MESSAGES * rangesBytes,
      };
    },
  };
}

const HELLO = {
  protocolVersion: PROTOCOL_VERSION,
  features: FEATURES,
  clusterId: 'demo',
  nodeId: 'node-1',
  incarnation: '0123456789abcdef0123456789abcdef',
  topologyDigest: 'd'.repeat(64),
  maxValueBytes: 1_048_576,
  declaredMs: 0,
  history: { progress: 9, starts: [{ id: 77, from: 1 }] },
  remembered: null,
  addressee: 'b',
  peerHttpPort: 0,
};
const HELLOS = 64;

export const cases: readonly MicroCase[] = [
  encoding('a read', encodeRead, READ_BYTES),
  encoding('a write', encodeWrite, WRITE_BYTES),
  encoding('a response', encodeFound, RESPONSE_BYTES),
  decoding('a write', encodeWrite, WRITE_BYTES, KEY.length + RECORD.length),
  decoding('a response', encodeFound, RESPONSE_BYTES, RECORD.length),
  {
    name: 'RPC: cut a stream, a frame',
    operations: MESSAGES,
    prepare: () => {
      const bytes = frames(encodeWrite, WRITE_BYTES);
      let messageBytes = 0;
      const sink = {
        isClosed: false,
        onFrame: (_bytes: Buffer, start: number, end: number) => {
          messageBytes += end - start;
          return true;
        },
      };
      const splitter = new FrameSplitter(sink, 65_600);
      // In chunks whose size is a prime number, so that frames are cut at every place.
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += 4093) chunks.push(bytes.subarray(at, at + 4093));
      return {
        run: () => {
          messageBytes = 0;
          for (const chunk of chunks) splitter.push(chunk);
          return messageBytes;
        },
        expected: MESSAGES * (WRITE_BYTES - 4),
      };
    },
  },
  {
    name: 'RPC: encode and decode a hello',
    operations: HELLOS,
    prepare: () => ({
      run: () => {
        let sum = 0;
        for (let i = 0; i < HELLOS; i++) {
          const hello = decodeHello(encodeHello(MessageKind.hello, HELLO).subarray(4));
          sum += hello.maxValueBytes + hello.topologyDigest.length + hello.incarnation.length;
        }
        return sum;
      },
      expected: HELLOS * (1_048_576 + 64 + 32),
    }),
  },
];

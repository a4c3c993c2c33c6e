import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Unpackr } from 'msgpackr/unpack';
import {
  encodeCancel,
  encodeFailedResponse,
  encodeFragmentHead,
  encodeKeyRequest,
  encodeReason,
  encodeRefusal,
  encodeResponse,
  encodeWriteRequest,
  FRAGMENT_BYTES,
  FRAME_HEADER_BYTES,
  MAX_FRAME_BYTES,
  maxMessageBytes,
  PING_FRAME,
  PONG_FRAME,
  readFrameLength,
} from '../../../../src/rpc/codec.ts';
import {
  decodeHello,
  decodeHistory,
  encodeHello,
  encodeHistory,
  MAX_HELLO_BYTES,
} from '../../../../src/rpc/hello.ts';
import { DEFAULT_RPC_LIMITS } from '../../../../src/rpc/limits.ts';
import { Message, MessageDecoder } from '../../../../src/rpc/message.ts';
import {
  FEATURES,
  Feature,
  MessageKind,
  Operation,
  PROTOCOL_VERSION,
} from '../../../../src/rpc/operations.ts';
import { RpcReplyKind } from '../../../../src/rpc/reply.ts';

const text = readFileSync(new URL('../../../../src/rpc/FORMAT.md', import.meta.url), 'utf8');
const unpackr = new Unpackr({ useRecords: false });
const key = Buffer.from('k1');
const record = Buffer.from('0100030040e2010000000000070000006869', 'hex');
/** Of a record that says nothing but its version. */
const version = Buffer.from('0100000040e201000000000007000000', 'hex');

interface Example {
  readonly notation: string;
  readonly bytes: Buffer;
}

function examples(): Map<string, Example> {
  const found = new Map<string, Example>();
  for (const section of text.slice(text.indexOf('## Examples')).split('\n### ').slice(1)) {
    const name = section.slice(0, section.indexOf('\n'));
    const notation = /^`(.*)`$/m.exec(section)?.[1] ?? '';
    const hex = (/```hex\n([^`]*)```/.exec(section)?.[1] ?? '').replace(/;.*$/gm, '').replace(/\s/g, '');
    found.set(name, { notation, bytes: Buffer.from(hex, 'hex') });
  }
  return found;
}

function notationOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(notationOf).join(', ')}]`;
  return value instanceof Uint8Array ? `h'${Buffer.from(value).toString('hex')}'` : JSON.stringify(value);
}

function written(encode: (target: Buffer) => number): Buffer {
  const target = Buffer.alloc(256);
  return target.subarray(0, encode(target));
}

const hello = {
  protocolVersion: PROTOCOL_VERSION,
  features: FEATURES,
  clusterId: 'demo',
  nodeId: 'n1',
  incarnation: '5f0c',
  topologyDigest: 'd1',
  maxValueBytes: 1_048_576,
  declaredMs: 0,
  history: { progress: 9, starts: [{ id: 77, from: 1 }] },
  remembered: null,
};

const welcome = {
  ...hello,
  nodeId: 'n2',
  incarnation: 'a1b2',
  declaredMs: 1_800_000_000_000,
  history: {
    progress: 300,
    starts: [
      { id: 1, from: 1 },
      { id: 2_863_311_530, from: 200 },
    ],
  },
  remembered: { incarnation: '5f0c', startId: 77, progress: 8, declaredMs: 0 },
};

/** What a connection does with a frame, and from that the frame again: nothing of it was lost or made up. */
function rewritten(frame: Buffer): Uint8Array {
  const message = new Message();
  new MessageDecoder().decode(frame, FRAME_HEADER_BYTES, frame.length, message);
  const { kind, id, operation, timeoutMs, status, total, offset } = message;
  const body = message.bodyStart < 0 ? null : message.body();
  switch (kind) {
    case MessageKind.hello:
    case MessageKind.welcome:
      return encodeHello(kind, decodeHello(message.body()));
    case MessageKind.history:
      return encodeHistory(decodeHistory(message.body()));
    case MessageKind.refuse:
      return encodeRefusal(message.reason);
    case MessageKind.request:
      if (operation === Operation.write) {
        assert.ok(body !== null);
        return written((target) => encodeWriteRequest(target, 0, id, timeoutMs, message.key(), body));
      }
      assert.ok(operation === Operation.read || operation === Operation.readVersion);
      return written((target) => encodeKeyRequest(target, 0, id, operation, timeoutMs, message.key()));
    case MessageKind.response:
      return status === RpcReplyKind.failed
        ? written((target) => encodeFailedResponse(target, 0, id, encodeReason(message.reason)))
        : written((target) => encodeResponse(target, 0, id, status, body));
    case MessageKind.cancel:
      return written((target) => encodeCancel(target, 0, id));
    case MessageKind.fragment: {
      assert.ok(body !== null);
      return written((target) => {
        const next = encodeFragmentHead(target, 0, id, total, offset, body.length);
        target.set(body, next);
        return next + body.length;
      });
    }
    case MessageKind.ping:
      return PING_FRAME;
    case MessageKind.pong:
      return PONG_FRAME;
  }
}

const byCodec: ReadonlyMap<string, Uint8Array> = new Map<string, Uint8Array>([
  ['hello', encodeHello(MessageKind.hello, hello)],
  ['welcome', encodeHello(MessageKind.welcome, welcome)],
  ['refuse', encodeRefusal('no')],
  ['read', written((target) => encodeKeyRequest(target, 0, 1, Operation.read, 1_000, key))],
  ['readVersion', written((target) => encodeKeyRequest(target, 0, 5, Operation.readVersion, 1_000, key))],
  ['write', written((target) => encodeWriteRequest(target, 0, 2, 1_000, key, record))],
  ['response with a record', written((target) => encodeResponse(target, 0, 1, 0, record))],
  ['response with a header', written((target) => encodeResponse(target, 0, 5, 0, record.subarray(0, 16)))],
  ['response to a write', written((target) => encodeResponse(target, 0, 2, 0, null))],
  ['response that the key is absent', written((target) => encodeResponse(target, 0, 1, 1, null))],
  [
    'response to a write that met a newer version',
    written((target) => encodeResponse(target, 0, 2, 4, version)),
  ],
  ['response of a node that is not whole', written((target) => encodeResponse(target, 0, 1, 3, record))],
  [
    'response of a node that is not whole and has no record',
    written((target) => encodeResponse(target, 0, 1, 3, null)),
  ],
  [
    'response that failed',
    written((target) => encodeFailedResponse(target, 0, 3, encodeReason('disk full'))),
  ],
  ['cancel', written((target) => encodeCancel(target, 0, 4))],
  [
    'fragment',
    written((target) => {
      const next = encodeFragmentHead(target, 0, 4, 100_000, 65_536, 3);
      target.set([1, 2, 3], next);
      return next + 3;
    }),
  ],
  ['ping', PING_FRAME],
  ['pong', PONG_FRAME],
  ['history', encodeHistory(hello.history)],
]);

describe('FORMAT.md', () => {
  it('has an example of each frame that the codec writes', () => {
    assert.deepEqual([...examples().keys()], [...byCodec.keys()]);
  });

  for (const [name, { notation, bytes }] of examples()) {
    it(`draws ${name} as it is`, () => {
      assert.equal(readFrameLength(bytes, 0), bytes.length - 4);
      assert.equal(notationOf(unpackr.unpack(bytes.subarray(4))), notation);
      assert.equal(bytes.toString('hex'), Buffer.from(byCodec.get(name) ?? []).toString('hex'));
      assert.equal(Buffer.from(rewritten(bytes)).toString('hex'), bytes.toString('hex'));
    });
  }

  it('lists every registered number', () => {
    for (const [name, number] of Object.entries(MessageKind)) {
      assert.match(text, new RegExp(`^\\| ${number} +\\| ${name} `, 'm'));
    }
    for (const [name, number] of Object.entries(RpcReplyKind)) {
      assert.match(text, new RegExp(`^\\| ${number} +\\| ${name} `, 'm'));
    }
    for (const [name, number] of Object.entries(Operation)) {
      assert.match(text, new RegExp(`^\\| ${number} +\\| ${name} `, 'm'));
    }
    for (const [name, bit] of Object.entries(Feature)) {
      assert.match(text, new RegExp(`bit ${Math.log2(bit)} \\(${bit}\\): serves ${name}$`, 'm'));
    }
  });

  it('says the limits that the code keeps', () => {
    const said = (bytes: number): string => bytes.toLocaleString('en');
    for (const sentence of [
      `from 1 to ${said(MAX_FRAME_BYTES)} (before the handshake is over: to ${said(MAX_HELLO_BYTES)})`,
      `A message of more than ${said(FRAGMENT_BYTES)} bytes travels in fragments of ${said(FRAGMENT_BYTES)} bytes each`,
      `the reader's \`maxValueBytes\` and ${said(maxMessageBytes(0))} bytes`,
      `cut to ${said(encodeReason('x'.repeat(100_000)).length)} bytes`,
      `longer than ${DEFAULT_RPC_LIMITS.handshakeTimeoutMs / 1000} s for the handshake to end`,
      `heard nothing for ${DEFAULT_RPC_LIMITS.pingAfterMs / 1000} s sends _ping_`,
      `After ${DEFAULT_RPC_LIMITS.pongTimeoutMs / 1000} s more without a byte it resets the connection`,
      `heard nothing for ${DEFAULT_RPC_LIMITS.idleTimeoutMs / 1000} s, not even a ping, closes`,
      `Protocol version ${PROTOCOL_VERSION}.`,
    ]) {
      const pattern = sentence.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(' ', '\\s+');
      assert.match(text, new RegExp(pattern));
    }
  });
});

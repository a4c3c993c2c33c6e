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
  PING_FRAME,
  PONG_FRAME,
  readFrameLength,
} from '../../../../src/rpc/codec.ts';
import { encodeHello } from '../../../../src/rpc/hello.ts';
import { Message, MessageDecoder } from '../../../../src/rpc/message.ts';
import { FEATURES, MessageKind, Operation, PROTOCOL_VERSION } from '../../../../src/rpc/operations.ts';

const text = readFileSync(new URL('../../../../src/rpc/FORMAT.md', import.meta.url), 'utf8');
const unpackr = new Unpackr({ useRecords: false });
const key = Buffer.from('k1');
const record = Buffer.from('0100030040e2010000000000070000006869', 'hex');

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
  declared: false,
  remembered: null,
};

const byCodec: ReadonlyMap<string, Uint8Array> = new Map<string, Uint8Array>([
  ['hello', encodeHello(MessageKind.hello, hello)],
  ['refuse', encodeRefusal('no')],
  ['read', written((target) => encodeKeyRequest(target, 0, 1, Operation.read, 1_000, key))],
  ['write', written((target) => encodeWriteRequest(target, 0, 2, 1_000, key, record))],
  ['response with a record', written((target) => encodeResponse(target, 0, 1, 0, record))],
  ['response to a write', written((target) => encodeResponse(target, 0, 2, 0, null))],
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
      const message = new Message();
      new MessageDecoder().decode(bytes, 4, bytes.length, message);
      assert.equal(message.kind, bytes[5]);
    });
  }

  it('lists every registered number', () => {
    for (const [name, number] of Object.entries(MessageKind)) {
      assert.match(text, new RegExp(`^\\| ${number} +\\| ${name} `, 'm'));
    }
    for (const [name, number] of Object.entries(Operation)) {
      assert.match(text, new RegExp(`^\\| ${number} +\\| ${name} `, 'm'));
    }
  });
});

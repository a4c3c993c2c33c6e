import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Unpackr } from 'msgpackr/unpack';
import { FailureCode, mayPass } from '../../../../src/failure.ts';
import { encodeRequest, RoundMessage } from '../../../../src/replica/anti-entropy/messages.ts';
import { encodeBulkRequest } from '../../../../src/replica/bootstrap/bulk-page-codec.ts';

import { encodeHintPage } from '../../../../src/replica/hints/hint-page.ts';

import { ReplyKind } from '../../../../src/reply.ts';
import { Authentication, MAX_PROOF_FRAME_BYTES } from '../../../../src/rpc/authentication.ts';
import { encodeClock } from '../../../../src/rpc/clock-message.ts';
import { ClusterSecret, MAX_SECRET_LENGTH, MIN_SECRET_LENGTH } from '../../../../src/rpc/cluster-secret.ts';
import {
  encodeCancel,
  encodeFailedResponse,
  encodeFragmentHead,
  encodeKeyRequest,
  encodePlainRequest,
  encodeReason,
  encodeRefusal,
  encodeResponse,
  encodeWriteRequest,
  FRAGMENT_BYTES,
  FRAME_LENGTH_BYTES,
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
import { Message } from '../../../../src/rpc/message.ts';
import { MessageDecoder } from '../../../../src/rpc/message-decoder.ts';
import {
  ANTI_ENTROPY,
  BULK_PAGE,
  CLOCK,
  Feature,
  HINT,
  OPERATIONS,
  READ,
  READ_VERSION,
  REPAIR_WRITE,
  WRITE,
} from '../../../../src/rpc/operation-table.ts';
import { MessageKind, PROTOCOL_VERSION } from '../../../../src/rpc/operations.ts';

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

const clocks = { wallMs: 1_800_000_000_000, ownMs: 1_800_000_000_000.5, acceptMs: 1_800_003_600_000 };

const hello = {
  protocolVersion: PROTOCOL_VERSION,
  // Those of a node of an earlier build, so that the examples stay as they are.
  features: Feature.readVersion | Feature.clock,
  clusterId: 'demo',
  nodeId: 'n1',
  incarnation: '5f0c',
  topologyDigest: 'd1',
  maxValueBytes: 1_048_576,
  declaredMs: 0,
  history: { progress: 9, starts: [{ id: 77, from: 1 }] },
  remembered: null,
  addressee: 'n2',
  peerHttpPort: 0,
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
  addressee: 'n1',
  peerHttpPort: 40_123,
};

/** What a connection makes of a frame, and the frame made from that again: nothing was lost or made up. */
function rewritten(frame: Buffer): Uint8Array {
  const message = new Message();
  new MessageDecoder().decode(frame, FRAME_LENGTH_BYTES, frame.length, message);
  const { kind, id, operation, timeoutMs, replyKind, total, offset } = message;
  const body = message.bodyStart < 0 ? null : message.body();
  switch (kind) {
    case MessageKind.challenge:
    case MessageKind.proof:
    case MessageKind.seal:
      return spoken().find((said) => said.equals(frame)) ?? Buffer.alloc(0);
    case MessageKind.hello:
    case MessageKind.welcome:
      return encodeHello(kind, decodeHello(message.body()));
    case MessageKind.history:
      return encodeHistory(decodeHistory(message.body()));
    case MessageKind.refuse:
      return encodeRefusal(message.reason);
    case MessageKind.request: {
      if (operation === WRITE.number || operation === REPAIR_WRITE.number || operation === HINT.number) {
        assert.ok(body !== null);
        const key = message.key();
        return written((target) => encodeWriteRequest(target, 0, id, operation, timeoutMs, key, body));
      }
      if (operation === CLOCK.number)
        return written((target) => encodePlainRequest(target, 0, id, operation, timeoutMs));
      const keyed = [READ.number, READ_VERSION.number, ANTI_ENTROPY.number, BULK_PAGE.number];
      assert.ok(keyed.includes(operation));
      return written((target) => encodeKeyRequest(target, 0, id, operation, timeoutMs, message.key()));
    }
    case MessageKind.response:
      return replyKind === ReplyKind.failed
        ? written((target) => encodeFailedResponse(target, 0, id, message.code, encodeReason(message.reason)))
        : written((target) => encodeResponse(target, 0, id, replyKind, body));
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

function authentication(end: 'dialler' | 'listener', nonce: number): Authentication {
  const secret = ClusterSecret.of('00112233445566778899aabbccddeeff');
  return new Authentication(end, { secret, drawBytes: (count) => Buffer.alloc(count, nonce) });
}

/** The frames of a handshake whose listener draws 11…, whose dialler 22…, and each of whom takes what the other says. */
function spoken(): [
  challenge: Buffer,
  proof: Buffer,
  answer: Buffer,
  helloSeal: Buffer,
  welcomeSeal: Buffer,
] {
  const listener = authentication('listener', 0x11);
  const dialler = authentication('dialler', 0x22);
  const challenge = listener.challenge();
  const proof = dialler.onChallenge(messageOf(challenge));
  assert.equal(listener.onProof(messageOf(proof)), true);
  const answer = listener.answer();
  assert.equal(dialler.onProof(messageOf(answer)), true);
  const seals = [
    [dialler, listener, encodeHello(MessageKind.hello, hello)] as const,
    [listener, dialler, encodeHello(MessageKind.welcome, welcome)] as const,
  ].map(([from, to, frame]) => {
    const sealed = from.sealed(frame);
    const seal = sealed.subarray(0, sealed.length - frame.length);
    to.onSeal(messageOf(seal));
    to.checkSealed(messageOf(frame));
    return seal;
  });
  return [challenge, proof, answer, seals[0], seals[1]];
}

function messageOf(frame: Buffer): Buffer {
  return frame.subarray(FRAME_LENGTH_BYTES);
}

/** Asks for rounds over all slots. */
const start = encodeRequest({ kind: RoundMessage.start, first: 0, last: 65_535 });
const bulkRequest = encodeBulkRequest({
  asker: 'n1',
  sources: ['n2', 'n3'],
  maxBytes: 262_144,
  start: Buffer.from('key'),
});
const [challenge, proof, answer, helloSeal, welcomeSeal] = spoken();

const byCodec: ReadonlyMap<string, Uint8Array> = new Map<string, Uint8Array>([
  ['challenge', challenge],
  ['proof of the dialler', proof],
  ['proof of the listener', answer],
  ['seal of the hello below', helloSeal],
  ['hello', encodeHello(MessageKind.hello, hello)],
  ['seal of the welcome below', welcomeSeal],
  ['welcome', encodeHello(MessageKind.welcome, welcome)],
  ['refuse', encodeRefusal('no')],
  ['read', written((target) => encodeKeyRequest(target, 0, 1, READ.number, 1_000, key))],
  ['readVersion', written((target) => encodeKeyRequest(target, 0, 5, READ_VERSION.number, 1_000, key))],
  ['clock', written((target) => encodePlainRequest(target, 0, 6, CLOCK.number, 400))],
  ['write', written((target) => encodeWriteRequest(target, 0, 2, WRITE.number, 1_000, key, record))],
  [
    'repairWrite',
    written((target) => encodeWriteRequest(target, 0, 7, REPAIR_WRITE.number, 1_000, key, record)),
  ],
  ['antiEntropy', written((target) => encodeKeyRequest(target, 0, 8, ANTI_ENTROPY.number, 5_000, start))],
  ['bulkPage', written((target) => encodeKeyRequest(target, 0, 8, BULK_PAGE.number, 10_000, bulkRequest))],
  [
    'hint',
    written((target) => {
      const page = encodeHintPage(0, [key, Buffer.from('k2')], 17);
      return encodeWriteRequest(target, 0, 8, HINT.number, 1_000, Buffer.from('n3'), page);
    }),
  ],
  ['response with a record', written((target) => encodeResponse(target, 0, 1, 0, record))],
  ['response with a header', written((target) => encodeResponse(target, 0, 5, 0, record.subarray(0, 16)))],
  ['response with clocks', written((target) => encodeResponse(target, 0, 6, 0, encodeClock(clocks)))],
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
    written((target) => encodeFailedResponse(target, 0, 3, FailureCode.noSpace, encodeReason('disk full'))),
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
  ['history', encodeHistory(hello)],
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
    for (const [name, number] of Object.entries(ReplyKind)) {
      assert.match(text, new RegExp(`^\\| ${number} +\\| ${name} `, 'm'));
    }
    for (const [name, code] of Object.entries(FailureCode)) {
      if (code === FailureCode.none) continue;
      assert.match(text, new RegExp(`^\\| ${code} +\\| ${name} +\\| ${mayPass(code) ? 'yes' : 'no'} `, 'm'));
    }
    for (const { name, number } of OPERATIONS.filter((operation) => operation !== undefined)) {
      assert.match(text, new RegExp(`^\\| ${number} +\\| ${name} `, 'm'));
    }
    for (const [name, bit] of Object.entries(Feature)) {
      assert.match(text, new RegExp(`bit ${Math.log2(bit)} \\(${bit}\\): (?:serves|speaks) ${name}\\b`, 'm'));
    }
  });

  it('says the limits that the code keeps', () => {
    const said = (bytes: number): string => bytes.toLocaleString('en');
    for (const sentence of [
      `from 1 to ${said(MAX_FRAME_BYTES)} (before the other end has proved itself: to ${MAX_PROOF_FRAME_BYTES}; before the handshake is over: to ${said(MAX_HELLO_BYTES)})`,
      `A message of more than ${said(FRAGMENT_BYTES)} bytes travels in fragments of ${said(FRAGMENT_BYTES)} bytes each`,
      `the reader's \`maxValueBytes\` and ${said(maxMessageBytes(0))} bytes`,
      `cut to ${said(encodeReason('x'.repeat(100_000)).length)} bytes`,
      `A listener waits ${DEFAULT_RPC_LIMITS.handshakeTimeoutMs / 1000} s for the handshake to end`,
      `a dialler ${DEFAULT_RPC_LIMITS.dialTimeoutMs / 1000} s from dialling on`,
      `of ${MIN_SECRET_LENGTH} to ${said(MAX_SECRET_LENGTH)} characters`,
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

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import * as unpackModule from 'msgpackr/unpack';
import { QuorateError } from '../../../../src/errors.ts';
import { MAX_STARTS } from '../../../../src/folder-history.ts';
import {
  decodeHello,
  decodeHistory,
  encodeHello,
  encodeHistory,
  HELLO_MAGIC,
  MAX_HELLO_BYTES,
} from '../../../../src/rpc/hello.ts';
import { MessageKind, PROTOCOL_VERSION } from '../../../../src/rpc/operations.ts';
import { helloOf } from '../../../support/rpc-nodes.ts';

const packr = new Packr({ useRecords: false });

function faultsOrDecodes(bytes: Uint8Array): void {
  try {
    decodeHello(bytes);
  } catch (error) {
    assert.ok(error instanceof QuorateError && error.code === 'PROTOCOL', String(error));
  }
}

/** Plain objects, as the decoder makes them. */
function record<T>(fields: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> {
  return fc.record<T>(fields, { noNullPrototype: true });
}

function fieldsOf(changes: Record<number, unknown> = {}): unknown[] {
  const fields: unknown[] = [
    1,
    HELLO_MAGIC,
    PROTOCOL_VERSION,
    2,
    'cluster',
    'n1',
    'folder',
    'digest',
    1024,
    0,
    9,
    [7, 1],
    null,
    'n2',
    40_123,
  ];
  for (const [index, value] of Object.entries(changes)) fields[Number(index)] = value;
  return fields;
}

describe('hello', () => {
  it('uses no native part of msgpackr', () => {
    assert.equal(Reflect.get(unpackModule, 'isNativeAccelerationEnabled'), false);
  });

  it('comes back as it was', () => {
    const text = fc.string({ maxLength: 100 });
    const word = fc.integer({ min: 0, max: 0xffff_ffff });
    const hello = fc.record({
      features: word,
      clusterId: text,
      nodeId: text,
      incarnation: text,
      topologyDigest: text,
      maxValueBytes: fc.integer({ min: 0, max: 0xffff_ffff }),
      declaredMs: fc.maxSafeNat(),
      history: record({
        progress: fc.maxSafeNat(),
        starts: fc.array(record({ id: word, from: fc.maxSafeNat() }), { maxLength: MAX_STARTS }),
      }),
      remembered: fc.option(
        record({
          incarnation: text,
          startId: word,
          progress: fc.maxSafeNat(),
          declaredMs: fc.maxSafeNat(),
        }),
      ),
      addressee: text,
      peerHttpPort: fc.integer({ min: 0, max: 65_535 }),
    });
    fc.assert(
      fc.property(hello, (changes) => {
        const sent = helloOf('n1', changes);
        assert.deepEqual(decodeHello(encodeHello(MessageKind.hello, sent).subarray(4)), sent);
      }),
    );
  });

  it('with the largest fields fits into the frame that is accepted before the handshake is over', () => {
    const long = 'x'.repeat(512);
    const largest = helloOf(long, {
      clusterId: long,
      incarnation: long,
      topologyDigest: long,
      declaredMs: Number.MAX_SAFE_INTEGER,
      history: {
        progress: Number.MAX_SAFE_INTEGER,
        starts: Array.from({ length: MAX_STARTS }, () => ({
          id: 0xffff_ffff,
          from: Number.MAX_SAFE_INTEGER,
        })),
      },
      remembered: {
        incarnation: long,
        startId: 0xffff_ffff,
        progress: Number.MAX_SAFE_INTEGER,
        declaredMs: Number.MAX_SAFE_INTEGER,
      },
      addressee: long,
      peerHttpPort: 65_535,
    });
    const frame = encodeHello(MessageKind.hello, largest);
    assert.ok(frame.length - 4 <= MAX_HELLO_BYTES, `${frame.length}`);
    assert.deepEqual(decodeHello(frame.subarray(4)), largest);
  });

  it('is followed by histories, which come back as they were', () => {
    const history = { progress: 2 ** 50, starts: [{ id: 0xffff_ffff, from: 2 ** 49 }] };
    const folder = { history, declaredMs: 2 ** 41 };
    assert.deepEqual(decodeHistory(encodeHistory(folder).subarray(4)), folder);
    for (const wrong of [
      [10, 1],
      [10, 1, [1], 0],
      [10, -1, [], 0],
      [10, 1, []],
      [10, 1, [], -1],
      [10, 1, [], 0, 0],
      'x',
    ])
      assert.throws(() => decodeHistory(packr.pack(wrong)), { code: 'PROTOCOL' });
  });

  it('still says who speaks when the version is another', () => {
    const hello = decodeHello(
      packr.pack([1, HELLO_MAGIC, PROTOCOL_VERSION + 1, 0, 'cluster', 'n9', { what: 'follows' }]),
    );
    assert.equal(hello.protocolVersion, PROTOCOL_VERSION + 1);
    assert.equal(hello.clusterId, 'cluster');
    assert.equal(hello.nodeId, 'n9');
  });

  it('gives PROTOCOL for fields of another type or count', () => {
    const wrong = [
      fieldsOf({ 1: 'http' }),
      fieldsOf({ 2: '1' }),
      fieldsOf({ 3: -1 }),
      fieldsOf({ 4: 7 }),
      fieldsOf({ 5: 'x'.repeat(513) }),
      fieldsOf({ 8: 1.5 }),
      fieldsOf({ 9: false }),
      fieldsOf({ 10: -1 }),
      fieldsOf({ 11: [7] }),
      fieldsOf({ 11: [7, 'x'] }),
      fieldsOf({ 11: Array.from({ length: 2 * MAX_STARTS + 2 }, () => 1) }),
      fieldsOf({ 12: false }),
      fieldsOf({ 12: ['x', 1, 1] }),
      fieldsOf({ 12: ['x', 2 ** 40, 1, 1] }),
      fieldsOf({ 13: null }),
      fieldsOf({ 13: 'x'.repeat(513) }),
      fieldsOf({ 14: 65_536 }),
      fieldsOf({ 14: '80' }),
      fieldsOf().slice(0, 14),
      [...fieldsOf(), 1],
      [],
    ];
    for (const fields of wrong) {
      assert.throws(() => decodeHello(packr.pack(fields)), { code: 'PROTOCOL' }, JSON.stringify(fields));
    }
    assert.equal(decodeHello(packr.pack(fieldsOf())).nodeId, 'n1');
  });

  it('gives PROTOCOL and nothing else for random and for flipped bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), faultsOrDecodes), { numRuns: 3_000 });
    const sent = encodeHello(MessageKind.hello, helloOf('n1')).subarray(4);
    fc.assert(
      fc.property(fc.nat(sent.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const bytes = Buffer.from(sent);
        bytes[at] ^= mask;
        faultsOrDecodes(bytes);
      }),
      { numRuns: 3_000 },
    );
  });
});

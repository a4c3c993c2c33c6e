import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import * as unpackModule from 'msgpackr/unpack';
import { QuorateError } from '../../../../src/errors.ts';
import { decodeHello, encodeHello, HELLO_MAGIC } from '../../../../src/rpc/hello.ts';
import { MessageKind } from '../../../../src/rpc/operations.ts';
import { helloOf } from '../../../support/rpc-nodes.ts';

const packr = new Packr({ useRecords: false });

function faultsOrDecodes(bytes: Uint8Array): void {
  try {
    decodeHello(bytes);
  } catch (error) {
    assert.ok(error instanceof QuorateError && error.code === 'PROTOCOL', String(error));
  }
}

function fieldsOf(changes: Record<number, unknown> = {}): unknown[] {
  const fields: unknown[] = [1, HELLO_MAGIC, 1, 2, 'cluster', 'n1', 'folder', 'digest', 1024, false, null];
  for (const [index, value] of Object.entries(changes)) fields[Number(index)] = value;
  return fields;
}

describe('hello', () => {
  it('uses no native part of msgpackr', () => {
    assert.equal(Reflect.get(unpackModule, 'isNativeAccelerationEnabled'), false);
  });

  it('comes back as it was', () => {
    const text = fc.string({ maxLength: 100 });
    const hello = fc.record({
      features: fc.integer({ min: 0, max: 0xffff_ffff }),
      clusterId: text,
      nodeId: text,
      incarnation: text,
      topologyDigest: text,
      maxValueBytes: fc.integer({ min: 0, max: 0xffff_ffff }),
      declared: fc.boolean(),
      remembered: fc.option(text),
    });
    fc.assert(
      fc.property(hello, (changes) => {
        const sent = helloOf('n1', changes);
        assert.deepEqual(decodeHello(encodeHello(MessageKind.hello, sent).subarray(4)), sent);
      }),
    );
  });

  it('still says who speaks when the version is another', () => {
    const hello = decodeHello(packr.pack([1, HELLO_MAGIC, 2, 0, 'cluster', 'n9', { what: 'follows' }]));
    assert.equal(hello.protocolVersion, 2);
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
      fieldsOf({ 9: 0 }),
      fieldsOf({ 10: false }),
      fieldsOf().slice(0, 10),
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

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes, copyBytes } from '../../../../native-free-lsm/format/bytes.ts';

test('ranges compare as Buffer.compare does', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), fc.uint8Array(), (prefix, a, b) => {
      const left = Buffer.concat([prefix, a, Buffer.from('tail')]);
      const right = Buffer.concat([prefix, b]);
      const order = compareBytes(left, 0, left.length - 4, right, 0, right.length);
      assert.equal(Math.sign(order), Buffer.compare(left.subarray(0, -4), right));
    }),
  );
});

test('bytes compare unsigned and a prefix comes first', () => {
  const bytes = Uint8Array.from([0x7f, 0x80, 0x80, 0xff]);
  assert.ok(compareBytes(bytes, 0, 1, bytes, 1, 2) < 0);
  assert.ok(compareBytes(bytes, 1, 2, bytes, 2, 4) < 0);
  assert.equal(compareBytes(bytes, 1, 2, bytes, 2, 3), 0);
  assert.equal(compareBytes(bytes, 0, 0, bytes, 4, 4), 0);
});

test('a range is copied to its place and nothing else changes, from and to shared memory', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), fc.nat(20), (bytes, from, to) => {
      const source = new Uint8Array(new SharedArrayBuffer(from + bytes.length + 5)).fill(1);
      source.set(bytes, from);
      const target = new Uint8Array(new SharedArrayBuffer(to + bytes.length + 5)).fill(2);
      copyBytes(source, from, from + bytes.length, target, to);
      const expected = new Uint8Array(target.length).fill(2);
      expected.set(bytes, to);
      assert.deepEqual(Buffer.from(target), Buffer.from(expected));
    }),
  );
});

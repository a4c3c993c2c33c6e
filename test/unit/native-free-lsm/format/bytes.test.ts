import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes, contentEnd, copyBytes } from '../../../../native-free-lsm/format/bytes.ts';

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

test('long ranges that begin alike compare as short ones do, in shared memory too', () => {
  fc.assert(
    fc.property(
      fc.nat(700),
      fc.uint8Array({ maxLength: 3 }),
      fc.uint8Array({ maxLength: 3 }),
      fc.boolean(),
      (alike, a, b, isShared) => {
        const bytesOf = (end: Uint8Array): Uint8Array => {
          const size = 5 + alike + end.length;
          const bytes = isShared ? new Uint8Array(new SharedArrayBuffer(size)) : new Uint8Array(size);
          bytes.fill(0x80).set(end, 5 + alike);
          return bytes;
        };
        const [left, right] = [bytesOf(a), bytesOf(b)];
        const order = compareBytes(left, 5, left.length, right, 5, right.length);
        assert.equal(Math.sign(order), Buffer.compare(a, b));
      },
    ),
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

test('the content of a range ends behind its last byte that is not zero', () => {
  const bytes = Uint8Array.of(7, 0, 3, 0, 0);
  assert.equal(contentEnd(bytes, 0, 5), 3);
  assert.equal(contentEnd(bytes, 0, 2), 1);
  assert.equal(contentEnd(bytes, 3, 5), 3);
  assert.equal(contentEnd(bytes, 5, 5), 5);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_VARINT_BYTES,
  readVarint,
  varintBytes,
  writeVarint,
} from '../../../../native-free-lsm/format/varint.ts';

test('values at the edges take the fewest bytes', () => {
  const edges: [number, number[]][] = [
    [0, [0x00]],
    [0x7f, [0x7f]],
    [0x80, [0x80, 0x01]],
    [0x3fff, [0xff, 0x7f]],
    [0x4000, [0x80, 0x80, 0x01]],
    [0x1f_ffff, [0xff, 0xff, 0x7f]],
    [0x20_0000, [0x80, 0x80, 0x80, 0x01]],
    [0xfff_ffff, [0xff, 0xff, 0xff, 0x7f]],
    [0x1000_0000, [0x80, 0x80, 0x80, 0x80, 0x01]],
    [0xffff_ffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ];
  for (const [value, encoding] of edges) {
    const target = new Uint8Array(MAX_VARINT_BYTES);
    assert.equal(writeVarint(target, 0, value), encoding.length);
    assert.deepEqual([...target.subarray(0, encoding.length)], encoding);
    assert.equal(varintBytes(value), encoding.length);
    assert.equal(readVarint(target, 0), value);
  }
});

test('every 32-bit value comes back, wherever it stands', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.nat(9), (value, at) => {
      const target = new Uint8Array(at + MAX_VARINT_BYTES).fill(0xff);
      const end = writeVarint(target, at, value);
      assert.equal(end - at, varintBytes(value));
      assert.equal(readVarint(target, at), value);
    }),
  );
});

test('an encoding that is cut off is refused', () => {
  for (const encoding of [[], [0x80], [0xff, 0xff], [0x80, 0x80, 0x80, 0x80]]) {
    assert.equal(readVarint(Uint8Array.from(encoding), 0), -1);
  }
});

test('an encoding longer than it need be, or of more than 32 bits, is refused', () => {
  for (const encoding of [
    [0x80, 0x00],
    [0xff, 0x80, 0x00],
    [0xff, 0xff, 0xff, 0xff, 0x10],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
  ]) {
    assert.equal(readVarint(Uint8Array.from(encoding), 0), -1, encoding.join());
  }
});

test('what is read takes as many bytes as its value says', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 7 }), (bytes) => {
      const value = readVarint(bytes, 0);
      if (value < 0) return;
      const again = new Uint8Array(MAX_VARINT_BYTES);
      const end = writeVarint(again, 0, value);
      assert.deepEqual(again.subarray(0, end), bytes.subarray(0, varintBytes(value)));
    }),
  );
});

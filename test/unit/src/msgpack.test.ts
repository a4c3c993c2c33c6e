import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpack } from 'msgpackr/unpack';
import {
  binHeadBytes,
  UINT_8_BYTES,
  UINT_32_BYTES,
  writeArrayHead,
  writeBinHead,
  writeNil,
  writeUint8,
  writeUint32,
} from '../../../src/msgpack.ts';

test('the bytes are msgpack, of the size that was computed before', () => {
  for (const length of [0, 255, 256, 65_535, 65_536, 70_000]) {
    for (const number of [0, 127, 128, 0xffff_ffff]) {
      const headBytes = 1 + UINT_8_BYTES + UINT_32_BYTES + 1 + binHeadBytes(length);
      const target = Buffer.alloc(headBytes + length, 0xee);
      let at = writeArrayHead(target, 0, 4);
      at = writeUint8(target, at, number & 0xff);
      at = writeUint32(target, at, number);
      at = writeNil(target, at);
      assert.equal(writeBinHead(target, at, length), headBytes);
      assert.deepEqual(unpack(target), [number & 0xff, number, null, Buffer.alloc(length, 0xee)]);
    }
  }
});

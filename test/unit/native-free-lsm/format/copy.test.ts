import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownBytes, withRoom } from '../../../../native-free-lsm/format/copy.ts';

test('a copy has memory of its own and nothing else in it', () => {
  const source = new Uint8Array(new SharedArrayBuffer(100)).fill(7);
  const copy = ownBytes(source, 10, 60);
  source.fill(1);
  assert.deepEqual(copy, new Uint8Array(50).fill(7));
  assert.equal(copy.buffer.byteLength, 50);
});

test('bytes that are large enough are given back as they are', () => {
  const bytes = new Uint8Array(8);
  assert.equal(withRoom(bytes, 8, 8), bytes);
});

test('bytes that are too small at least double and keep what is used', () => {
  const bytes = Uint8Array.from([1, 2, 3, 4]);
  assert.deepEqual(withRoom(bytes, 3, 5), Uint8Array.from([1, 2, 3, 0, 0, 0, 0, 0]));
  assert.equal(withRoom(bytes, 4, 50).length, 50);
});

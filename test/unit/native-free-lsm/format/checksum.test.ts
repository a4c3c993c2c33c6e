import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksum } from '../../../../native-free-lsm/format/checksum.ts';

const DIGITS = Buffer.from('123456789');

test('it is the CRC-32 of zlib and gzip', () => {
  assert.equal(checksum(DIGITS, 0, 9), 0xcbf43926);
  assert.equal(checksum(new Uint8Array(0), 0, 0), 0);
});

test('only the range counts', () => {
  const padded = Buffer.from('--123456789--');
  assert.equal(checksum(padded, 2, 11), 0xcbf43926);
});

test('it goes on from the checksum of what stood before', () => {
  assert.equal(checksum(DIGITS, 4, 9, checksum(DIGITS, 0, 4)), 0xcbf43926);
});

test('bytes in shared memory give the same', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(16));
  shared.set(DIGITS, 3);
  assert.equal(checksum(shared, 3, 12), 0xcbf43926);
});

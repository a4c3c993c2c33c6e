import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashBytes } from '../../../../native-free-lsm/format/hash.ts';
import { HASH_SEED, murmur3, murmurCollisions } from '../../../support/hash-flood.ts';

// Of 0, 1, 2, … bytes 00 01 02 …, under the key 00 01 … 07: test vectors of Linux (lib/tests/siphash_kunit.c).
const VECTORS = [
  0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6, 0x577999b1,
  0xc839caed,
];

test('the hash is HalfSipHash-1-3 of 32 bits', () => {
  const seed = { low: 0x03020100, high: 0x07060504 };
  const bytes = Uint8Array.from(VECTORS, (_, i) => i);
  assert.deepEqual(
    VECTORS.map((_, length) => hashBytes(bytes, 0, length, seed)),
    VECTORS,
  );
});

test('the hash is of the range alone', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (before, bytes) => {
      const shared = new Uint8Array(new SharedArrayBuffer(before.length + bytes.length + 3)).fill(9);
      shared.set(before);
      shared.set(bytes, before.length);
      assert.equal(
        hashBytes(shared, before.length, before.length + bytes.length, HASH_SEED),
        hashBytes(bytes, 0, bytes.length, HASH_SEED),
      );
    }),
  );
});

test('both halves of the seed count', () => {
  const key = Buffer.from('key');
  const { low, high } = HASH_SEED;
  const seeds = [HASH_SEED, { low: low ^ 1, high }, { low, high: high ^ 1 }, { low: high, high: low }];
  assert.equal(new Set(seeds.map((seed) => hashBytes(key, 0, key.length, seed))).size, seeds.length);
});

test('keys made to have one MurmurHash3, whatever its seed, have hashes as other keys have', () => {
  const keys = murmurCollisions(12);
  for (const seed of [0, 1, 0x9747b28c]) assert.equal(new Set(keys.map((key) => murmur3(key, seed))).size, 1);
  const hashes = new Set(keys.map((key) => hashBytes(key, 0, key.length, HASH_SEED)));
  // Of 4,096 draws out of 2^32 two meet in one case of 500.
  assert.ok(hashes.size >= keys.length - 1, `${hashes.size} hashes`);
});

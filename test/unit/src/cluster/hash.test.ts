import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashBytes, murmur3 } from '../../../../native-free-lsm/index.ts';
import { draw, hashName } from '../../../../src/cluster/hash.ts';
import { SLOT_COUNT, slotOf } from '../../../../src/cluster/slots.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const key = (text: string): Uint8Array => Buffer.from(text);
/** The hash of which slots are the upper 16 bits. */
const hashKey = (bytes: Uint8Array): number => murmur3(bytes, 0, bytes.length, 0x51_07_5e_ed);

test('keys, names and draws hash as they always have: data lies where they say', () => {
  const keys = ['', 'a', 'ab', 'abc', 'abcd', 'key1', 'ключ', 'key100000'];
  assert.deepEqual(
    keys.map((text) => hashKey(key(text))),
    [430298649, 559926822, 2111771849, 3835399734, 237196540, 2063183943, 4280684489, 1804558506],
  );
  for (const text of keys) assert.equal(slotOf(key(text)), hashKey(key(text)) >>> 16);
  assert.deepEqual(hashName('node-1'), { high: 31400007, low: 3118366840 });
  assert.deepEqual(
    [0, 1, 2, 65_535].map((slot) => draw(hashName('node-1'), slot)),
    [1434361129, 791082837, 3506710314, 2418032091],
  );
});

test('slots share numbered keys out evenly', () => {
  const groups = new Array<number>(256).fill(0);
  const keys = 100_000;
  for (let i = 1; i <= keys; i++) groups[Math.floor((slotOf(key(`key${i}`)) * groups.length) / SLOT_COUNT)]++;
  const mean = keys / groups.length;
  // Five standard deviations of what chance would do.
  for (const count of groups)
    assert.ok(Math.abs(count - mean) < 5 * Math.sqrt(mean), `${count} keys in a group`);
});

test('the keys of one slot still use all bits of the hash of Bloom filters', () => {
  const buckets = new Set<number>();
  let found = 0;
  for (let i = 0; found < 64; i++) {
    const bytes = key(`key${i}`);
    if (slotOf(bytes) >>> 8 !== 0) continue;
    found++;
    buckets.add(hashBytes(bytes, 0, bytes.length, HASH_SEED) >>> 29);
  }
  assert.equal(buckets.size, 8);
});

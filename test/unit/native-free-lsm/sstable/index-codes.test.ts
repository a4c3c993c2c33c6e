import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IndexCodes } from '../../../../native-free-lsm/sstable/index-codes.ts';
import { sortedUnique } from './table-support.ts';

/** As TableIndex makes them. */
function codesOf(keys: readonly Uint8Array[]): { codes: IndexCodes; common: number; made: Set<number> } {
  const [first] = keys;
  const last = keys[keys.length - 1];
  let common = 0;
  while (keys.length > 1 && common < first.length && first[common] === last[common]) common++;
  const made = new Set<number>();
  const codes = new IndexCodes(keys.length, common, (ordinal, at) => {
    made.add(ordinal);
    return keys[ordinal][at] ?? 0;
  });
  return { codes, common, made };
}

/** Few bytes, so that many codes are the same, with ends and zeros among them. */
const alike = fc
  .array(fc.constantFrom(0, 1, 0xff), { maxLength: 10 })
  .map((bytes) => Buffer.concat([Buffer.from('all'), Buffer.from(bytes)]));

test('the first key at or above another is where the search by codes says, or between', () => {
  fc.assert(
    fc.property(
      fc.array(alike, { minLength: 1, maxLength: 300 }),
      fc.array(alike, { maxLength: 30 }),
      (drawn, others) => {
        const keys = sortedUnique(drawn);
        const { codes, common } = codesOf(keys);
        for (const key of [...keys, ...others]) {
          if (Buffer.compare(key, keys[0]) <= 0) continue;
          if (Buffer.compare(keys[0].subarray(0, common), key.subarray(0, common)) !== 0) continue;
          const padded = Buffer.concat([Buffer.from('>>'), key, Buffer.from('<')]);
          codes.search(padded, 2, 2 + key.length);
          const at = keys.findIndex((candidate) => Buffer.compare(candidate, key) >= 0);
          const expected = at === -1 ? keys.length : at;
          assert.ok(codes.first <= expected && expected <= codes.next, `${expected} of ${keys.length}`);
        }
      },
    ),
  );
});

test('where codes differ no key is left to compare, and codes are made where a search comes to', () => {
  const keys = Array.from({ length: 5000 }, (_, i) => Buffer.from(`key ${100_000 + i * 10}`));
  const { codes, made } = codesOf(keys);
  assert.equal(made.size, Math.ceil(keys.length / 16));
  for (const i of [1, 15, 16, 17, 2500, 4991, 4999]) {
    const key = Buffer.from(`key ${100_000 + i * 10 - 5}`);
    codes.search(key, 0, key.length);
    assert.deepEqual([codes.first, codes.next], [i, i]);
  }
  assert.ok(made.size < Math.ceil(keys.length / 16) + 7 * 16);
  const above = Buffer.from('key 999999');
  codes.search(above, 0, above.length);
  assert.deepEqual([codes.first, codes.next], [5000, 5000]);
});

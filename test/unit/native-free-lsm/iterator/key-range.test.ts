import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyBehind, keyRange, rangeFrom, rangeUpTo } from '../../../../native-free-lsm/iterator/key-range.ts';
import { arbitraryKey } from '../sstable/table-support.ts';

const MAX_KEY_BYTES = 0xffff;
const hex = (key: Uint8Array | null) => (key === null ? null : Buffer.from(key).toString('hex'));

test('nothing lies between a key and the one behind it, and the key itself is left alone', () => {
  fc.assert(
    fc.property(arbitraryKey, arbitraryKey, (key, other) => {
      const given = hex(key);
      const behind = keyBehind(key) as Uint8Array;
      assert.ok(Buffer.compare(key, behind) < 0);
      assert.equal(Buffer.compare(other, key) > 0, Buffer.compare(other, behind) >= 0);
      assert.equal(hex(key), given);
    }),
  );
});

test('behind a key of the greatest length comes one that differs earlier, or none', () => {
  const longest = Buffer.alloc(MAX_KEY_BYTES, 0x61);
  const raised = keyBehind(longest) as Uint8Array;
  assert.equal(raised.length, MAX_KEY_BYTES);
  assert.equal(raised.at(-1), 0x62);
  assert.equal(longest.at(-1), 0x61, 'a copy is raised');
  const full = Buffer.alloc(MAX_KEY_BYTES, 0xff);
  assert.equal(keyBehind(full), null);
  full[10] = 7;
  assert.deepEqual(hex(keyBehind(full)), hex(Buffer.concat([full.subarray(0, 10), Buffer.of(8)])));
});

test('bounds of all kinds admit the keys they say', () => {
  const bound = fc.option(arbitraryKey, { nil: undefined });
  fc.assert(
    fc.property(bound, bound, fc.boolean(), fc.boolean(), arbitraryKey, (from, to, isAbove, isUpTo, key) => {
      const { start, end } = keyRange({
        ...(from !== undefined && (isAbove ? { gt: from } : { gte: from })),
        ...(to !== undefined && (isUpTo ? { lte: to } : { lt: to })),
      });
      const compare = (other: Uint8Array) => Buffer.compare(key, other);
      const isIn = compare(start) >= 0 && (end === null || compare(end) < 0);
      const isAboveLow = from === undefined || (isAbove ? compare(from) > 0 : compare(from) >= 0);
      const isBelowHigh = to === undefined || (isUpTo ? compare(to) <= 0 : compare(to) < 0);
      assert.equal(isIn, isAboveLow && isBelowHigh);
    }),
  );
});

test('above the largest key that can be there is nothing', () => {
  const { start, end } = keyRange({ gt: Buffer.alloc(MAX_KEY_BYTES, 0xff) });
  assert.ok(end !== null && Buffer.compare(start, end) >= 0);
  assert.equal(keyRange({ lte: Buffer.alloc(MAX_KEY_BYTES, 0xff) }).end, null);
});

test('a seek stays within the range', () => {
  const [a, b, c, d] = [...'abcd'].map((key) => Buffer.from(key));
  const range = { start: b, end: c };
  const shown = ({ start, end }: { start: Uint8Array; end: Uint8Array | null }) => [
    Buffer.from(start).toString(),
    end && Buffer.from(end).toString(),
  ];
  assert.deepEqual(shown(rangeFrom(range, a)), ['b', 'c']);
  assert.deepEqual(shown(rangeFrom(range, d)), ['d', 'c']);
  assert.deepEqual(shown(rangeUpTo(range, d)), ['b', 'c']);
  assert.deepEqual(shown(rangeUpTo(range, b)), ['b', 'b\0']);
  assert.deepEqual(shown(rangeUpTo({ start: b, end: null }, d)), ['b', 'd\0']);
});

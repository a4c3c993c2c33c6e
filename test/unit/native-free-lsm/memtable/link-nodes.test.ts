import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const RECORD = encodeRecord({ timestamp: 1, writer: 1, tombstone: false, from: 1, expiryMs: 0 }, Buffer.of());

function keysOf(memtable: Memtable, isReverse = false): Buffer[] {
  const keys: Buffer[] = [];
  const iterator = memtable.iterator(memtable.publishedOffset, isReverse);
  for (iterator.seekToFirst(); iterator.valid; iterator.next())
    keys.push(Buffer.from(iterator.keyBytes.slice(iterator.keyStart, iterator.keyEnd)));
  return keys;
}

/** A memtable with these keys, linked when all are in it; keys that are there already are put a second time. */
function linked(keys: readonly Uint8Array[], arenaBytes = 1 << 20): Memtable {
  const memtable = new Memtable(createArena(arenaBytes, HASH_SEED));
  memtable.reset(1);
  for (const key of keys) {
    const status = memtable.insertUnlinked(key, 0, key.length, RECORD, 0, RECORD.length);
    assert.notEqual(status, InsertStatus.full);
  }
  memtable.linkNew();
  memtable.publish();
  return memtable;
}

function assertOrdered(memtable: Memtable, keys: readonly Uint8Array[]): void {
  const distinct = new Map(keys.map((key) => [Buffer.from(key).toString('latin1'), Buffer.from(key)]));
  const expected = [...distinct.values()].sort(Buffer.compare);
  assert.deepEqual(keysOf(memtable), expected);
  assert.deepEqual(keysOf(memtable, true), expected.toReversed());
}

/** Few different bytes, the smallest and the largest among them, so that many keys begin alike or begin another. */
const alikeKeys = fc
  .array(fc.constantFrom(0, 1, 97, 255), { maxLength: 9 })
  .map((bytes) => Uint8Array.from(bytes));
const keys = fc.oneof(
  fc.array(fc.oneof(alikeKeys, fc.uint8Array({ maxLength: 12 })), { maxLength: 400, size: 'max' }),
  // With a beginning of their own for each group.
  fc
    .array(fc.tuple(fc.constantFrom('user:', 'user', 'order:2024-', ''), fc.nat(5000)), {
      maxLength: 400,
      size: 'max',
    })
    .map((parts) => parts.map(([prefix, number]) => Buffer.from(prefix + number))),
);

test('all keys are linked in the order of their bytes, and found by every seek', () => {
  fc.assert(
    fc.property(keys, alikeKeys, (all, sought) => {
      const memtable = linked(all);
      assertOrdered(memtable, all);
      const iterator = memtable.iterator(memtable.publishedOffset);
      iterator.seek(sought, 0, sought.length);
      const expected = keysOf(memtable).find((key) => Buffer.compare(key, sought) >= 0);
      const found = iterator.valid
        ? Buffer.from(iterator.keyBytes.slice(iterator.keyStart, iterator.keyEnd))
        : undefined;
      assert.deepEqual(found, expected);
    }),
    { numRuns: 150 },
  );
});

test('keys that are inserted after that find their places', () => {
  const numbers = Array.from({ length: 3000 }, (_, i) => Buffer.from(`key${(i * 7919) % 3001}`));
  const memtable = linked(numbers.slice(0, 2000));
  for (const key of numbers.slice(2000)) memtable.insert(key, 0, key.length, RECORD, 0, RECORD.length);
  memtable.publish();
  assertOrdered(memtable, numbers);
});

test('an empty memtable has no first key, and one key is alone', () => {
  assertOrdered(linked([]), []);
  assertOrdered(linked([Buffer.of()]), [Buffer.of()]);
});

test('keys of which each begins the next make no deep recursion', () => {
  const long = Buffer.alloc(3000, 'a');
  const keys = Array.from({ length: 3000 }, (_, i) => long.subarray(0, (i * 1009) % 3000));
  assertOrdered(linked(keys, 16 << 20), keys);
});

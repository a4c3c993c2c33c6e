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

/** A memtable with these keys, none of which needs to be linked; keys that are there already are put a second time. */
function unlinked(keys: readonly Uint8Array[], arenaBytes = 1 << 20): Memtable {
  const memtable = new Memtable(createArena(arenaBytes, HASH_SEED));
  memtable.reset(1);
  for (const key of keys) {
    const status = memtable.insertUnlinked(key, 0, key.length, RECORD, 0, RECORD.length);
    assert.notEqual(status, InsertStatus.full);
  }
  memtable.publish();
  return memtable;
}

/** The same, linked when all are in it. */
function linked(keys: readonly Uint8Array[], arenaBytes?: number): Memtable {
  const memtable = unlinked(keys, arenaBytes);
  memtable.linkNew();
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

test('keys are linked part by part, those that came first first, and found in order at each moment', () => {
  const numbers = Array.from({ length: 2000 }, (_, i) => Buffer.from(`key${(i * 7919) % 3001}`));
  const memtable = unlinked(numbers);
  const limit = memtable.publishedOffset;
  let unlinkedBytes = memtable.unlinkedBytes(limit);
  for (let left = memtable.unlinkedEntries; left > 0; left = memtable.unlinkedEntries) {
    memtable.linkNew(300);
    assert.equal(memtable.unlinkedEntries, Math.max(0, left - 300));
    assert.ok(memtable.unlinkedBytes(limit) < unlinkedBytes);
    unlinkedBytes = memtable.unlinkedBytes(limit);
    assertOrdered(memtable, numbers);
  }
  assert.equal(unlinkedBytes, 0);
  const key = Buffer.from('key1x');
  memtable.insert(key, 0, key.length, RECORD, 0, RECORD.length);
  memtable.publish();
  assertOrdered(memtable, [...numbers, key]);
});

test('range tombstones among them are no keys, and hold up nothing', () => {
  const memtable = new Memtable(createArena(1 << 20, HASH_SEED));
  memtable.reset(1);
  const keys = ['d', 'a', 'c', 'b'].map((name) => Buffer.from(name));
  for (const key of keys) {
    memtable.insertUnlinked(key, 0, key.length, RECORD, 0, RECORD.length);
    memtable.insertRange(RECORD, 0, 0, 0, -1, -1);
  }
  memtable.publish();
  assertOrdered(memtable, keys);
  for (let turns = 0; memtable.unlinkedEntries > 0; turns++) {
    assert.ok(turns < 5);
    memtable.linkNew(1);
    assertOrdered(memtable, keys);
  }
  assert.equal(memtable.unlinkedBytes(memtable.publishedOffset), 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashBytes } from '../../../../native-free-lsm/format/hash.ts';
import {
  encodeRecord,
  isTombstone,
  recordTimestamp,
  recordValueStart,
} from '../../../../native-free-lsm/format/record.ts';
import { MAX_TIMESTAMP } from '../../../../native-free-lsm/format/timestamp.ts';
import { createArena, RAW_BYTES_DOUBLE } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

function newMemtable(arenaBytes = 64 << 10, generation = 1): Memtable {
  const memtable = new Memtable(createArena(arenaBytes, HASH_SEED));
  memtable.reset(generation);
  return memtable;
}

function record(
  timestamp: number,
  value: Uint8Array | string = '',
  writer = 1,
  tombstone = false,
): Uint8Array {
  return encodeRecord({ timestamp, writer, tombstone, from: 3, expiryMs: 0 }, Buffer.from(value));
}

function insert(memtable: Memtable, key: string | Uint8Array, bytes: Uint8Array): InsertStatus {
  const keyBytes = Buffer.from(key);
  return memtable.insert(keyBytes, 0, keyBytes.length, bytes, 0, bytes.length);
}

/** The record a find at `limit` gives, or undefined. */
function find(
  memtable: Memtable,
  key: string | Uint8Array,
  limit = memtable.publishedOffset,
): Buffer | undefined {
  const keyBytes = Buffer.from(key);
  const hash = hashBytes(keyBytes, 0, keyBytes.length, HASH_SEED);
  const entry = memtable.find(keyBytes, 0, keyBytes.length, limit, hash);
  if (entry === 0) return undefined;
  return Buffer.from(memtable.bytes.subarray(memtable.recordStart(entry), memtable.recordEnd(entry)));
}

function keysFrom(memtable: Memtable, limit = memtable.publishedOffset, seek?: string): string[] {
  const keys: string[] = [];
  const iterator = memtable.iterator(limit);
  if (seek === undefined) iterator.seekToFirst();
  else iterator.seek(Buffer.from(seek), 0, Buffer.byteLength(seek));
  for (; iterator.valid; iterator.next()) {
    keys.push(Buffer.from(iterator.keyBytes.subarray(iterator.keyStart, iterator.keyEnd)).toString());
  }
  return keys;
}

test('an iterator goes on in order while the keys that it began with are linked', () => {
  for (const isReverse of [false, true]) {
    const memtable = newMemtable();
    const names = Array.from({ length: 60 }, (_, i) => `key${String((i * 37) % 60).padStart(2, '0')}`);
    for (const [i, name] of names.entries()) {
      const bytes = Buffer.from(name);
      const value = record(i + 1, name);
      if (i < 20) memtable.insert(bytes, 0, bytes.length, value, 0, value.length);
      else memtable.insertUnlinked(bytes, 0, bytes.length, value, 0, value.length);
    }
    memtable.publish();
    const limit = memtable.publishedOffset;
    assert.ok(memtable.unlinkedBytes(limit) > 0);
    assert.equal(memtable.unlinkedEntries, 40);
    const iterator = memtable.iterator(limit, isReverse);
    const seen: string[] = [];
    for (iterator.seekToFirst(); iterator.valid; iterator.next()) {
      seen.push(Buffer.from(iterator.keyBytes.subarray(iterator.keyStart, iterator.keyEnd)).toString());
      if (seen.length === 10) memtable.linkNew();
      // Later ones are not its own.
      if (seen.length === 20) insert(memtable, `key${isReverse ? '0' : '9'}x`, record(100));
      if (seen.length === 25) memtable.publish();
    }
    assert.deepEqual(seen, isReverse ? names.toSorted().reverse() : names.toSorted());
    assert.equal(memtable.unlinkedBytes(memtable.publishedOffset), 0);
  }
});

test('what is inserted is seen from its publication on, and not at earlier limits', () => {
  const memtable = newMemtable();
  const empty = memtable.publishedOffset;
  assert.equal(insert(memtable, 'b', record(10, 'one')), InsertStatus.applied);
  assert.equal(find(memtable, 'b'), undefined);
  assert.deepEqual(keysFrom(memtable), []);
  memtable.publish();
  const first = memtable.publishedOffset;
  insert(memtable, 'b', record(11, 'two'));
  insert(memtable, 'a', record(12, 'three'));
  assert.deepEqual(find(memtable, 'b'), record(10, 'one'));
  assert.equal(find(memtable, 'a'), undefined);
  assert.deepEqual(keysFrom(memtable), ['b']);
  memtable.publish();
  assert.deepEqual(find(memtable, 'b'), record(11, 'two'));
  assert.deepEqual(find(memtable, 'a'), record(12, 'three'));
  assert.deepEqual(keysFrom(memtable), ['a', 'b']);
  assert.deepEqual(find(memtable, 'b', first), record(10, 'one'));
  assert.deepEqual(keysFrom(memtable, first), ['b']);
  assert.equal(find(memtable, 'b', empty), undefined);
  assert.deepEqual(keysFrom(memtable, empty), []);
  assert.equal(find(memtable, 'b', 0), undefined);
});

test('put if newer: unpublished entries count, the same version is stale, the writer breaks ties', () => {
  const memtable = newMemtable();
  assert.equal(insert(memtable, 'k', record(100, 'x', 5)), InsertStatus.applied);
  assert.deepEqual([memtable.metTimestamp, memtable.metWriter], [0, 0]);
  assert.equal(insert(memtable, 'k', record(99, 'y', 9)), InsertStatus.stale);
  assert.deepEqual([memtable.metTimestamp, memtable.metWriter], [100, 5]);
  assert.equal(insert(memtable, 'k', record(100, 'z', 5)), InsertStatus.stale);
  assert.equal(insert(memtable, 'k', record(100, 'z', 4)), InsertStatus.stale);
  assert.equal(insert(memtable, 'k', record(100, 'z', 0xffffffff)), InsertStatus.applied);
  assert.deepEqual([memtable.metTimestamp, memtable.metWriter], [100, 5]);
  assert.equal(insert(memtable, 'k', record(MAX_TIMESTAMP, '', 1, true)), InsertStatus.applied);
  assert.deepEqual([memtable.metTimestamp, memtable.metWriter], [100, 0xffffffff]);
  insert(memtable, 'other', record(1));
  assert.deepEqual([memtable.metTimestamp, memtable.metWriter], [0, 0]);
  memtable.publish();
  assert.equal(isTombstone(find(memtable, 'k')!, 0), true);
  assert.equal(insert(memtable, 'k', record(101)), InsertStatus.stale);
  assert.deepEqual([memtable.metTimestamp, memtable.metWriter], [MAX_TIMESTAMP, 1]);
});

test('keys and records of every size round trip, inside larger buffers too', () => {
  const memtable = newMemtable(4 << 20);
  const sizes = [0, 1, 2, 3, 4, 5, 39, 40, 41, 4096, 65_535];
  const source = Buffer.alloc(200_000, 0).map((_, i) => (i * 7) ^ (i >> 8));
  for (const keyBytes of sizes) {
    for (const valueBytes of sizes) {
      const key = Buffer.concat([Buffer.of(valueBytes, valueBytes >> 8), source]).subarray(0, keyBytes);
      const value = source.subarray(valueBytes, 2 * valueBytes);
      const entry = Buffer.concat([Buffer.of(9, 9, 9), record(keyBytes * 100_000 + valueBytes + 1, value)]);
      const shifted = Buffer.concat([Buffer.of(1), key, Buffer.of(2)]);
      const status = memtable.insert(shifted, 1, 1 + keyBytes, entry, 3, entry.length);
      assert.equal(status, InsertStatus.applied);
      memtable.publish();
      assert.deepEqual(find(memtable, key), entry.subarray(3));
      const value2 = find(memtable, key)!;
      assert.deepEqual(value2.subarray(recordValueStart(value2, 0)), value);
    }
  }
});

test('order is by bytes, prefixes first, bytes above 127 last', () => {
  const memtable = newMemtable();
  const keys = ['', 'a', 'a\0', 'aa', 'ab', 'b', 'z', 'é', '日本'];
  for (const [i, key] of [...keys.entries()].reverse()) insert(memtable, key, record(i + 1));
  memtable.publish();
  assert.deepEqual(keysFrom(memtable), keys);
  for (const seek of keys.flatMap((key) => [key, `${key}\0`, `${key}~`])) {
    const expected = keys.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(seek)) >= 0);
    assert.deepEqual(keysFrom(memtable, undefined, seek), expected);
  }
});

test('an iterator keeps to its limit while the writer goes on', () => {
  const memtable = newMemtable(1 << 20);
  for (let i = 0; i < 200; i++) insert(memtable, `key${String(i * 10).padStart(5, '0')}`, record(i + 1));
  memtable.publish();
  const iterator = memtable.iterator(memtable.publishedOffset);
  let seen = 0;
  for (iterator.seekToFirst(); iterator.valid; iterator.next()) {
    assert.equal(recordTimestamp(iterator.recordBytes, iterator.recordStart), seen + 1);
    // Newer versions of this key and the next, and new keys in between.
    for (const at of [seen * 10, seen * 10 + 5, seen * 10 + 10]) {
      insert(memtable, `key${String(at).padStart(5, '0')}`, record(10_000 + seen * 3 + at));
    }
    memtable.publish();
    seen++;
  }
  assert.equal(seen, 200);
  assert.equal(keysFrom(memtable).length, 401);
});

test('a walk back keeps to its limit while the writer goes on', () => {
  const memtable = newMemtable(1 << 20);
  const keyOf = (at: number) => `key${String(at).padStart(5, '0')}`;
  for (let i = 0; i < 300; i++) insert(memtable, keyOf(i * 10), record(i + 1));
  memtable.publish();
  const iterator = memtable.iterator(memtable.publishedOffset, true);
  let left = 300;
  for (iterator.seekToFirst(); iterator.valid; iterator.next()) {
    assert.equal(recordTimestamp(iterator.recordBytes, iterator.recordStart), left);
    left--;
    // Newer versions of this key and the next, and new keys in between and before.
    for (const at of [left * 10, left * 10 - 5, left * 10 - 10, left * 5 + 3]) {
      if (at >= 0) insert(memtable, keyOf(at), record(10_000 + left * 3 + at));
    }
    memtable.publish();
  }
  assert.equal(left, 0);
});

test('a full arena says so, keeps what it has, and still knows what is stale', () => {
  const memtable = newMemtable(4096);
  let count = 0;
  while (memtable.fits(8, 50)) {
    assert.equal(
      insert(memtable, `key${String(count).padStart(5, '0')}`, record(count + 1, 'v'.repeat(34))),
      0,
    );
    count++;
  }
  assert.ok(count > 20);
  let extra = 0;
  while (insert(memtable, `more${String(extra).padStart(5, '0')}`, record(1)) === InsertStatus.applied)
    extra++;
  assert.equal(insert(memtable, 'huge', record(1, Buffer.alloc(5000))), InsertStatus.full);
  assert.equal(insert(memtable, 'key00000', record(1000, Buffer.alloc(5000))), InsertStatus.full);
  assert.equal(insert(memtable, 'key00000', record(1)), InsertStatus.stale);
  memtable.publish();
  assert.equal(memtable.entries, count + extra);
  assert.ok(memtable.usedBytes <= 4096);
  assert.equal(keysFrom(memtable).length, count + extra);
  assert.equal(find(memtable, 'huge'), undefined);
  assert.equal(find(memtable, `more${String(extra).padStart(5, '0')}`), undefined);
});

test('the hash index has room for as many keys as the arena, however small they are', () => {
  const memtable = newMemtable(64 << 10);
  let count = 0;
  const key = (i: number) => Buffer.of(i, i >> 8);
  while (insert(memtable, key(count), record(count + 1)) === InsertStatus.applied) count++;
  assert.ok(count > 1000);
  memtable.publish();
  for (let i = 0; i < count; i++) assert.equal(recordTimestamp(find(memtable, key(i))!, 0), i + 1);
  assert.equal(find(memtable, key(count)), undefined);
});

test('reset leaves nothing of the memtable before', () => {
  const memtable = newMemtable(64 << 10, 7);
  assert.equal(memtable.generation, 7);
  for (let i = 0; i < 300; i++) insert(memtable, `key${i}`, record(i + 1));
  memtable.publish();
  memtable.reset(8);
  assert.equal(memtable.generation, 8);
  assert.equal(memtable.entries, 0);
  assert.equal(memtable.rawBytes, 0);
  assert.deepEqual(keysFrom(memtable), []);
  for (let i = 0; i < 300; i++) assert.equal(find(memtable, `key${i}`), undefined);
  for (let i = 0; i < 300; i += 2) assert.equal(insert(memtable, `key${i}`, record(1)), InsertStatus.applied);
  memtable.publish();
  assert.equal(keysFrom(memtable).length, 150);
  assert.equal(find(memtable, 'key1'), undefined);
});

test('totals are those of the last publication, all versions counted', () => {
  const memtable = newMemtable();
  const totals = () => [
    memtable.entries,
    memtable.rawBytes,
    memtable.smallestTimestamp,
    memtable.largestTimestamp,
  ];
  assert.deepEqual(totals(), [0, 0, MAX_TIMESTAMP, 0]);
  const used = memtable.usedBytes;
  insert(memtable, 'abc', record(2 ** 52 + 1, '12345'));
  insert(memtable, 'abc', record(2 ** 52 + 2 ** 33, '1'));
  insert(memtable, 'abc', record(5, 'stale'));
  insert(memtable, 'd', record(2 ** 40 + 7, '', 1, true));
  assert.deepEqual(totals(), [0, 0, MAX_TIMESTAMP, 0]);
  assert.equal(memtable.usedBytes, used);
  memtable.publish();
  assert.deepEqual(totals(), [3, 3 + 5 + 3 + 1 + 1, 2 ** 40 + 7, 2 ** 52 + 2 ** 33]);
  assert.ok(memtable.usedBytes > used);
});

test('versions of one long key add up to more bytes than 32 bits count', () => {
  // Its key lies in the arena once, so 24 bytes a version are enough for it to count as 64 KiB each.
  const arena = createArena(64 << 10, HASH_SEED);
  const memtable = new Memtable(arena);
  memtable.reset(1);
  const versions = 2 ** 32 - 5;
  new Float64Array(arena)[RAW_BYTES_DOUBLE] = versions;
  insert(memtable, 'key', record(1, 'value'));
  memtable.publish();
  assert.equal(memtable.rawBytes, versions + 8);
  memtable.reset(2);
  assert.equal(memtable.rawBytes, 0);
});

test('another view of the arena reads the same, and can take the writer over', () => {
  const arena = createArena(64 << 10, HASH_SEED);
  const first = new Memtable(arena);
  first.reset(3);
  insert(first, 'a', record(1, 'x'));
  first.publish();
  const second = new Memtable(arena);
  assert.equal(second.generation, 3);
  assert.deepEqual(find(second, 'a'), record(1, 'x'));
  assert.equal(insert(second, 'a', record(1, 'y')), InsertStatus.stale);
  insert(second, 'b', record(2));
  second.publish();
  assert.deepEqual(keysFrom(first), ['a', 'b']);
  assert.equal(first.entries, 2);
});

test('arenas whose size does not suit offsets or alignment are refused', () => {
  for (const size of [0, 512, 4097, (256 << 20) + 8]) {
    assert.throws(() => new Memtable(new SharedArrayBuffer(size)), { code: 'INVALID_ARGUMENT' });
  }
});

test('a memtable knows whether any of its values expires, until it is emptied', () => {
  const memtable = newMemtable();
  insert(memtable, 'a', record(1, 'value'));
  assert.equal(memtable.hasExpiring, false);
  const fields = { timestamp: 2, writer: 0, tombstone: false, from: 1, expiryMs: 5 };
  insert(memtable, 'b', encodeRecord(fields, Buffer.from('value')));
  // A newer version takes none of it back.
  insert(memtable, 'b', record(3, 'value'));
  memtable.publish();
  assert.equal(memtable.hasExpiring, true);
  memtable.reset(2);
  assert.equal(memtable.hasExpiring, false);
});

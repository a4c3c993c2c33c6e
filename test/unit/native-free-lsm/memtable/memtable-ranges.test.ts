import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const ARENA_BYTES = 16 << 10;

function newMemtable(): Memtable {
  const memtable = new Memtable(createArena(ARENA_BYTES, HASH_SEED));
  memtable.reset(1);
  return memtable;
}

function recordOf(timestamp: number): Uint8Array {
  return encodeRecord(
    { timestamp, writer: 0, tombstone: false, from: 1, expiryMs: 0 },
    Buffer.from(`at ${timestamp}`),
  );
}

function put(memtable: Memtable, key: string, timestamp: number): InsertStatus {
  const record = recordOf(timestamp);
  return memtable.insert(Buffer.from(key), 0, key.length, record, 0, record.length);
}

/** @param end null: there is none */
function clear(memtable: Memtable, start: string, end: string | null, timestamp: number): InsertStatus {
  const record = recordOf(timestamp).subarray(0, 16);
  const bytes = Buffer.concat([Buffer.from(start), record, Buffer.from(end ?? '')]);
  const recordStart = start.length;
  const endStart = end === null ? -1 : recordStart + record.length;
  return memtable.insertRange(bytes, 0, start.length, recordStart, endStart, bytes.length);
}

function cover(memtable: Memtable, key: string, limit = memtable.publishedOffset): number {
  return memtable.coverOf(Buffer.from(key), 0, key.length, limit);
}

test('range tombstones are seen from their publication on, and not at earlier limits', () => {
  const memtable = newMemtable();
  put(memtable, 'b', 1);
  memtable.publish();
  const first = memtable.publishedOffset;
  assert.equal(memtable.ranges(first), null);
  clear(memtable, 'a', 'c', 5);
  assert.equal(cover(memtable, 'b'), 0, 'it is not published');
  memtable.publish();
  const second = memtable.publishedOffset;
  assert.deepEqual(
    ['9', 'a', 'b', 'bz', 'c'].map((key) => cover(memtable, key)),
    [0, 5, 5, 5, 0],
  );
  clear(memtable, 'b', null, 7);
  memtable.publish();
  const third = memtable.publishedOffset;
  // In any order of limits, one after another.
  for (const limit of [third, second, first, second, third, first, third]) {
    const expected = limit === third ? [5, 7, 7] : limit === second ? [5, 5, 0] : [0, 0, 0];
    assert.deepEqual(
      ['a', 'b', 'zz'].map((key) => cover(memtable, key, limit)),
      expected,
    );
  }
  assert.equal(memtable.entries, 3);
  assert.equal(memtable.largestTimestamp, 7);
});

test('a few snapshots that are read in turn have their lists made once', () => {
  const memtable = newMemtable();
  const limits: number[] = [];
  for (let timestamp = 1; timestamp <= 5; timestamp++) {
    clear(memtable, `a${timestamp}`, null, timestamp);
    memtable.publish();
    limits.push(memtable.publishedOffset);
  }
  memtable.ranges(limits[4]);
  const first = limits.map((limit) => memtable.ranges(limit));
  for (let turn = 0; turn < 3; turn++) {
    for (const [at, limit] of limits.entries()) {
      assert.equal(memtable.ranges(limit), first[at], 'the same list');
      assert.equal(cover(memtable, 'b', limit), at + 1);
    }
  }
});

test('another view of the arena reads the same, also when it looks later', () => {
  const memtable = newMemtable();
  const other = new Memtable(memtable.bytes.buffer as SharedArrayBuffer);
  for (let i = 1; i < 40; i++) {
    clear(memtable, `k${i % 7}`, `k${(i % 7) + 1}`, i);
    memtable.publish();
    if (i % 3 === 0)
      assert.deepEqual(
        [...(other.ranges(other.publishedOffset) ?? [])],
        [...(memtable.ranges(memtable.publishedOffset) ?? [])],
      );
  }
});

test('what a range tombstone hides is stale, published or not', () => {
  const memtable = newMemtable();
  assert.equal(clear(memtable, 'a', 'm', 10), InsertStatus.applied);
  assert.equal(put(memtable, 'b', 9), InsertStatus.stale);
  assert.deepEqual([memtable.metTimestamp, memtable.metWriter], [10, 0]);
  assert.equal(put(memtable, 'b', 10), InsertStatus.applied);
  assert.equal(put(memtable, 'n', 9), InsertStatus.applied);
  assert.equal(put(memtable, 'c', 11), InsertStatus.applied);
  memtable.publish();
  assert.equal(put(memtable, 'd', 1), InsertStatus.stale);
});

test('a walk by arrival passes over them, wherever they are, and all keys can be linked at once', () => {
  const memtable = newMemtable();
  clear(memtable, 'x', null, 1);
  for (const [i, key] of ['q', 'c', 'h'].entries()) {
    const record = recordOf(10 + i);
    memtable.insertUnlinked(Buffer.from(key), 0, 1, record, 0, record.length);
    clear(memtable, 'y', 'z', 20 + i);
  }
  memtable.linkNew();
  memtable.publish();
  const arrivals = memtable.arrivals();
  const keys: string[] = [];
  while (arrivals.advance(memtable.publishedOffset))
    keys.push(String.fromCharCode(arrivals.bytes[arrivals.keyStart]));
  assert.deepEqual(keys, ['q', 'c', 'h']);
  const sorted: string[] = [];
  const iterator = memtable.iterator(memtable.publishedOffset);
  for (iterator.seekToFirst(); iterator.valid; iterator.next())
    sorted.push(String.fromCharCode(iterator.keyBytes[iterator.keyStart]));
  assert.deepEqual(sorted, ['c', 'h', 'q']);
});

test('a full arena says so, and a reset leaves nothing', () => {
  const memtable = newMemtable();
  let count = 0;
  while (clear(memtable, `k${String(count).padStart(4, '0')}`, null, count + 1) === InsertStatus.applied)
    count++;
  memtable.publish();
  const least = ARENA_BYTES / 2 / Memtable.rangeBytes(8, 8);
  assert.ok(count > least && cover(memtable, 'z') === count, `${count}`);
  memtable.reset(2);
  assert.equal(cover(memtable, 'z'), 0);
  assert.equal(put(memtable, 'z', 1), InsertStatus.applied);
  // The same place as the first one had.
  memtable.reset(3);
  clear(memtable, 'k0000', 'k0001', 3);
  memtable.publish();
  assert.deepEqual([cover(memtable, 'k0000'), cover(memtable, 'z')], [3, 0]);
});

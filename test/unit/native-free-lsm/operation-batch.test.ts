import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordExpiryMs, recordTimestamp } from '../../../native-free-lsm/format/record.ts';
import { encodeBatch, OperationCursor } from '../../../native-free-lsm/log/write-operation.ts';
import { Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import { OperationBatch } from '../../../native-free-lsm/operation-batch.ts';
import type { KeyOperation } from '../../../native-free-lsm/write-requests.ts';

const FIRST = 2 ** 40 + 5;
const NOW_MS = 1_800_000_000_000;

const OPERATIONS: readonly KeyOperation<Uint8Array>[] = [
  { type: 'put', key: Buffer.from('a'), value: Buffer.from('one') },
  { type: 'delete', key: Buffer.from('b') },
  { type: 'put', key: Buffer.alloc(300, 'k'), value: Buffer.alloc(70_000, 'v'), ttlMs: 5 },
  { type: 'put', key: Buffer.from('a'), value: new Uint8Array(0) },
];

test('a batch is encoded as its records would be', () => {
  const batch = new OperationBatch(OPERATIONS, FIRST, NOW_MS);
  const puts = batch.puts();
  const at = 3;
  const direct = new Uint8Array(at + batch.operationBytes + 1).fill(0xff);
  assert.ok(batch.encode(direct, at));
  const expected = new Uint8Array(direct.length).fill(0xff);
  encodeBatch(expected, at, puts);
  assert.deepEqual(direct, expected);
  assert.deepEqual(
    puts.map(({ record }) => recordTimestamp(record, 0)),
    [FIRST, FIRST + 1, FIRST + 2, FIRST + 3],
  );
  assert.deepEqual(
    puts.map(({ record }) => recordExpiryMs(record, 0)),
    [0, 0, NOW_MS + 5, 0],
  );
});

test('a batch of one timestamp gives it to each operation, and a life is counted from a time that is rounded up', () => {
  const batch = new OperationBatch(OPERATIONS.slice(1), FIRST, NOW_MS - 0.25, 0);
  const puts = batch.puts();
  assert.deepEqual(
    puts.map(({ record }) => [recordTimestamp(record, 0), recordExpiryMs(record, 0)]),
    [
      [FIRST, 0],
      [FIRST, NOW_MS + 5],
      [FIRST, 0],
    ],
  );
  const direct = new Uint8Array(batch.operationBytes);
  assert.ok(batch.encode(direct, 0));
  const expected = new Uint8Array(direct.length);
  encodeBatch(expected, 0, puts);
  assert.deepEqual(direct, expected);
});

test('its sizes are those of what it writes', () => {
  const batch = new OperationBatch(OPERATIONS, FIRST, NOW_MS);
  const bytes = new Uint8Array(batch.operationBytes);
  assert.ok(batch.encode(bytes, 0));
  const cursor = new OperationCursor();
  cursor.reset(bytes, 0, bytes.length);
  let memtableBytes = 0;
  let largest = 0;
  while (cursor.next()) {
    const recordBytes = cursor.recordEnd - cursor.recordStart;
    memtableBytes += Memtable.entryBytes(cursor.keyEnd - cursor.keyStart, recordBytes);
    largest = Math.max(largest, 8 + cursor.recordEnd - cursor.keyStart);
  }
  assert.equal(batch.memtableBytes, memtableBytes);
  assert.equal(batch.largestPutBytes, largest);
  const empty = new OperationBatch([], FIRST, NOW_MS);
  assert.equal(empty.memtableBytes, 0);
  assert.ok(empty.encode(new Uint8Array(empty.operationBytes), 0));
});

test('operations that are not as long as before write nothing behind their place', () => {
  for (const lengths of [
    [3, 4],
    [4, 3],
  ]) {
    let calls = 0;
    const changing = {
      type: 'put' as const,
      key: Buffer.from('a'),
      get value() {
        return Buffer.alloc(lengths[calls++ === 0 ? 0 : 1]);
      },
    };
    const batch = new OperationBatch([changing], FIRST, NOW_MS);
    const bytes = new Uint8Array(batch.operationBytes + 8).fill(0xff);
    assert.equal(batch.encode(bytes, 0), false);
    assert.deepEqual(bytes.subarray(batch.operationBytes), new Uint8Array(8).fill(0xff));
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecord } from '../../../native-free-lsm/format/record.ts';
import { encodePut, putOperationBytes } from '../../../native-free-lsm/log/write-operation.ts';
import { Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import { SinglePut } from '../../../native-free-lsm/single-put.ts';

test('one object encodes one put after the other as their records would be', () => {
  const put = new SinglePut();
  const calls: readonly (readonly [string, number, number])[] = [
    ['first', 300, 0],
    ['', 0, 1_800_000_000_000],
    ['third', 70_000, 0],
  ];
  for (const [i, [name, valueBytes, expiryMs]] of calls.entries()) {
    const timestamp = 2 ** 40 + i;
    const key = Buffer.from(name);
    const value = Buffer.alloc(valueBytes, 'v');
    put.set(key, value, timestamp, expiryMs);
    const record = encodeRecord({ timestamp, writer: 0, tombstone: false, from: 1, expiryMs }, value);
    assert.equal(put.operationBytes, putOperationBytes(key.length, record.length));
    assert.equal(put.largestPutBytes, put.operationBytes);
    assert.equal(put.memtableBytes, Memtable.entryBytes(key.length, record.length));
    const at = 5;
    const direct = new Uint8Array(at + put.operationBytes + 1).fill(0xff);
    assert.ok(put.encode(direct, at));
    const expected = new Uint8Array(direct.length).fill(0xff);
    encodePut(expected, at, key, record);
    assert.deepEqual(direct, expected);
    assert.deepEqual(put.puts(), [{ key, record }]);
    put.clear();
  }
});

test('a value that another thread has lengthened since is not written over what lies behind in the ring', () => {
  const memory = new SharedArrayBuffer(8, { maxByteLength: 64 });
  const put = new SinglePut();
  put.set(Buffer.from('key'), new Uint8Array(memory), 2 ** 40, 0);
  const ring = new Uint8Array(put.operationBytes + 56).fill(0xff);
  memory.grow(64);
  assert.equal(put.encode(ring, 0), false);
  assert.deepEqual(ring, new Uint8Array(ring.length).fill(0xff));
  assert.equal(put.puts()[0].record.length, put.operationBytes - putOperationBytes(3, 0) + 56);
});

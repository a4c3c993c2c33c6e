import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillMemtable } from '../../../../native-free-lsm/log/log-memtable.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';
import { put } from './log-support.ts';

const LEAST_BYTES = 64 * 1024;

test('puts that do not fit are read again into twice the memory, each version once', () => {
  const puts = Array.from({ length: 100 }, (_, i) => put(`key${i % 50}`, 'v'.repeat(2000), 1 + i));
  let attempts = 0;
  const { memory, memtable, result } = fillMemtable('/db/000007.log', 7, LEAST_BYTES, HASH_SEED, (insert) => {
    attempts++;
    for (const { key, record } of puts) {
      const bytes = Buffer.concat([key, record]);
      insert(bytes, 0, key.length, key.length, bytes.length);
    }
    return `attempt ${attempts}`;
  });
  assert.equal(memory.byteLength, LEAST_BYTES * 4);
  assert.deepEqual([attempts, result], [3, 'attempt 3']);
  assert.equal(memtable.generation, 7);
  assert.equal(memtable.largestTimestamp, 100);
  const iterator = memtable.iterator(memtable.publishedOffset);
  let keys = 0;
  for (iterator.seekToFirst(); iterator.valid; iterator.next()) keys++;
  assert.equal(keys, 50);
});

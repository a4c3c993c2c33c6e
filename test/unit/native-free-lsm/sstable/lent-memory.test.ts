import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LentMemory } from '../../../../native-free-lsm/sstable/lent-memory.ts';

test('the smallest piece that fits is taken, each once, and the others are told as left', () => {
  const pieces = [4096, 2048, 8192, 3072].map((bytes) => new SharedArrayBuffer(bytes));
  const memory = new LentMemory(pieces);
  assert.equal(memory.take(2100), pieces[3]);
  assert.equal(memory.take(2100), pieces[0]);
  assert.deepEqual(memory.left, [1, 2]);
});

test('what fits in no piece, or in one that is far too large, gets memory of its own, with little room to spare', () => {
  const pieces = [new SharedArrayBuffer(1024 * 1024), new SharedArrayBuffer(1024)];
  const memory = new LentMemory(pieces);
  for (const bytes of [2000, 100_000, 1_000_000 + 77, 3_000_000]) {
    const { byteLength } = new LentMemory([]).take(bytes);
    assert.ok(byteLength >= bytes && byteLength <= bytes * 1.125, `${byteLength} for ${bytes}`);
  }
  assert.ok(!pieces.includes(memory.take(2000)));
  assert.deepEqual(memory.left, [0, 1]);
});

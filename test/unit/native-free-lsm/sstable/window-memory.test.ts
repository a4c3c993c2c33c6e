import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WindowMemory } from '../../../../native-free-lsm/sstable/window-memory.ts';

test('a piece serves again when a larger one has replaced it, or when all have ended, and not before', () => {
  const memory = new WindowMemory(4096);
  const small = memory.take(1024);
  const other = memory.take(1024);
  assert.notEqual(other, small);
  memory.giveBack(small);
  assert.equal(memory.take(1000), small);
  assert.notEqual(memory.take(1000), other);
  memory.releaseAll();
  const again = new Set([memory.take(1024), memory.take(1024)]);
  assert.deepEqual(again, new Set([small, other]));
});

test('a piece given back twice, or by one who did not take it, is not lent to two', () => {
  const memory = new WindowMemory(4096);
  const piece = memory.take(1024);
  memory.giveBack(piece);
  memory.giveBack(piece);
  memory.giveBack(new Uint8Array(1024));
  assert.equal(memory.take(1024), piece);
  assert.notEqual(memory.take(1024), piece);
});

test('pieces for single large blocks are not kept, and others only so many', () => {
  const memory = new WindowMemory(4096);
  const large = memory.take(4097);
  const many = Array.from({ length: 100 }, () => memory.take(16));
  memory.releaseAll();
  assert.notEqual(memory.take(4097), large);
  const kept = Array.from({ length: 100 }, () => memory.take(16)).filter((piece) => many.includes(piece));
  assert.equal(kept.length, 16);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotBatch } from '../../../../../src/replica/anti-entropy/slot-batch.ts';

function settled(versionsPerSlot: number): number {
  const batch = new SlotBatch();
  for (let turn = 0; turn < 10; turn++) batch.note(batch.slots, batch.slots * versionsPerSlot);
  return batch.slots;
}

test('as many slots are looked at together as fit into memory, and at least one', () => {
  assert.equal(settled(0), 256);
  assert.equal(settled(100), 256);
  assert.equal(settled(1_000), 65);
  assert.equal(settled(1_000_000), 1);
});

test('it begins with few, grows step by step, and shrinks at once', () => {
  const batch = new SlotBatch();
  const seen = [batch.slots];
  for (const versions of [0, 10, 10, 100_000, 0]) {
    batch.note(batch.slots, batch.slots * versions);
    seen.push(batch.slots);
  }
  assert.deepEqual(seen, [16, 64, 256, 256, 1, 4]);
  batch.note(0, 0);
  assert.equal(batch.slots, 4);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SLOT_COUNT } from '../../../../native-free-lsm/format/slot.ts';
import { SlotSet } from '../../../../native-free-lsm/slots/slot-set.ts';

test('tells its slots in ascending order, how many there are, and whether there are any', () => {
  const set = new SlotSet();
  assert.deepEqual([set.isEmpty, set.count, [...set.slots()]], [true, 0, []]);
  const last = SLOT_COUNT - 1;
  for (const slot of [last, 8, 0, 7, 4_711]) assert.equal(set.add(slot), true);
  assert.equal(set.add(8), false);
  assert.deepEqual([set.isEmpty, set.count, [...set.slots()]], [false, 5, [0, 7, 8, 4_711, last]]);
  set.delete(0);
  assert.deepEqual([set.has(0), set.has(7), set.count], [false, true, 4]);
});

test('may have all slots', () => {
  const set = new SlotSet(new Uint8Array(SLOT_COUNT / 8).fill(0xff));
  assert.equal(set.count, SLOT_COUNT);
  assert.ok(set.slots().every((slot, index) => slot === index));
});

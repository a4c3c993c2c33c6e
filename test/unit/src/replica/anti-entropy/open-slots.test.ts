import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenSlots } from '../../../../../src/replica/anti-entropy/open-slots.ts';

const SLOTS = Uint16Array.of(3, 70);

test('a slot is open until it is settled behind its last change', () => {
  const open = new OpenSlots();
  assert.ok(open.isOpen(3, 1e15), 'nobody has looked at it');
  open.look(SLOTS, Uint32Array.of(1, 2, 0, 0), 100);
  assert.ok(open.isOpen(3, 99));
  assert.ok(!open.isOpen(3, 100));
  assert.ok(open.isOpen(70, 0), 'also an empty one, once');
  open.look(SLOTS, Uint32Array.of(1, 2, 0, 0), 200);
  assert.ok(!open.isOpen(3, 100), 'it has not changed');
  open.look(SLOTS, Uint32Array.of(1, 3, 0, 0), 300);
  assert.ok(open.isOpen(3, 100));
  assert.ok(open.isOpen(3, 299));
  assert.ok(!open.isOpen(3, 300));
  assert.ok(!open.isOpen(70, 100), 'each for itself');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { positionInShare, without } from '../../../../../src/replica/anti-entropy/slot-share.ts';

const share = { slots: Uint16Array.of(3, 9, 65_535), positions: Uint8Array.of(2, 0, 1) };

test('a slot of a share has its position, and others have none', () => {
  assert.deepEqual(
    [3, 9, 65_535].map((slot) => positionInShare(share, slot)),
    [2, 0, 1],
  );
  assert.deepEqual(
    [0, 4, 10, 65_534].map((slot) => positionInShare(share, slot)),
    [-1, -1, -1, -1],
  );
  assert.equal(positionInShare({ slots: new Uint16Array(0), positions: new Uint8Array(0) }, 3), -1);
});

test('slots without others', () => {
  assert.deepEqual([...without(share.slots, Uint16Array.of(9, 4))], [3, 65_535]);
  assert.equal(without(share.slots, new Uint16Array(0)), share.slots);
});

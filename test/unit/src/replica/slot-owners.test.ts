import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotOwners } from '../../../../src/replica/slot-owners.ts';

const LISTS = Uint16Array.from([2, 0, 1, 3, 3, 2]);
const OWNERS = new SlotOwners(['a', 'b', 'c', 'd'], {
  lists: LISTS,
  maxFrom: 2,
  listOffset: (slot) => 2 * slot,
});

test('the owners of a slot are those of its preference list, by index and by id', () => {
  assert.deepEqual([OWNERS.count, OWNERS.nodeIds.length], [2, 4]);
  assert.deepEqual([...OWNERS.listOf(1)], [1, 3]);
  assert.deepEqual(
    [0, 1, 2].map((slot) => OWNERS.idsOf(slot).join()),
    ['c,a', 'b,d', 'd,c'],
  );
  for (const slot of [0, 1, 2])
    for (const [node, id] of OWNERS.nodeIds.entries()) {
      assert.equal(OWNERS.positionOf(slot, node), OWNERS.idsOf(slot).indexOf(id), `${id} in ${slot}`);
      assert.equal(OWNERS.isOwner(slot, id), OWNERS.idsOf(slot).includes(id), `${id} in ${slot}`);
    }
  assert.equal(OWNERS.isOwner(0, 'nobody'), false);
  assert.equal(OWNERS.positionOf(0, -1), -1, 'a node that is not in the view owns nothing');
});

test('the first owner that is there is found, and none where all are away', () => {
  const isAway = OWNERS.marked(['c', 'd', 'nobody']);
  assert.deepEqual([...isAway], [0, 0, 1, 1]);
  assert.deepEqual(
    [0, 1, 2].map((slot) => OWNERS.firstPresent(slot, isAway)),
    [0, 1, -1],
  );
  assert.deepEqual(
    [0, 1, 2].map((slot) => OWNERS.hasOwnerOf(slot, isAway)),
    [true, true, true],
  );
  assert.equal(OWNERS.hasOwnerOf(0, OWNERS.marked(['b', 'd'])), false);
});

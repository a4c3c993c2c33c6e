import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MissedBlocks } from '../../../../native-free-lsm/cache/missed-blocks.ts';

const TABLES = 50;
const BLOCKS = 4;

/** How many of some blocks are known as missed before. */
function again(missed: MissedBlocks, firstTable: number): number {
  let count = 0;
  for (let table = firstTable; table < firstTable + TABLES; table++)
    for (let ordinal = 0; ordinal < BLOCKS; ordinal++) if (missed.missed(table, ordinal)) count++;
  return count;
}

test('a block is known at its second miss, and is a new one after that', () => {
  const missed = new MissedBlocks(0);
  const all = TABLES * BLOCKS;
  assert.ok(again(missed, 1) <= 2, 'hardly any is taken for another');
  assert.ok(again(missed, 1) > all * 0.85);
  assert.ok(again(missed, 1) < all * 0.15);
});

test('blocks that are missed in turns do not push each other out, and those of long ago are forgotten', () => {
  const missed = new MissedBlocks(0);
  for (let other = 2; other < 500; other++) {
    missed.missed(1, 0);
    missed.missed(other, 7);
    assert.ok(missed.missed(1, 0), `beside table ${other}`);
  }
  again(missed, 1);
  for (let table = 1000; table < 1000 + 40 * TABLES; table += TABLES) again(missed, table);
  assert.ok(again(missed, 1) < TABLES * BLOCKS * 0.1);
});

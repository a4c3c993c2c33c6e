/** Values with an expiry that lasts, and deletions of them that not every owner is to have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from '../../../native-free-lsm/index.ts';
import { RoundCluster } from '../../support/round-cluster.ts';

const KEY = 'key';
const SLOT = slotOf(Buffer.from(KEY));
const OWNERS = [0, 1, 2];
const WEEK_MS = 7 * 86_400_000;

test('a settled value that lives on is taken from the owner that a deletion with a smaller from did not reach', async () => {
  const cluster = new RoundCluster({ nodes: OWNERS.length });
  const expiryMs = cluster.clock.nowMs() + WEEK_MS;
  for (const index of OWNERS) cluster.place(index, KEY, { atMs: -60_000, expiryMs });
  await cluster.startAll();
  await cluster.roundOverAll(0, SLOT, SLOT);
  await cluster.pass(120_000);
  for (const index of OWNERS)
    if (cluster.owners.positionOf(SLOT, index) < 2)
      await cluster.write(index, KEY, { atMs: 60_000, from: 2, tombstone: true });
  await cluster.pass(60_000);
  // The first brings the deletion, or it would be purged by the others and the value left alone.
  for (let round = 0; round < 2; round++) await cluster.roundOverAll(0, SLOT, SLOT);
  for (const index of OWNERS) cluster.purge(index);
  const held = OWNERS.map((index) => cluster.held(index, KEY));
  assert.deepEqual(held, [null, null, null]);
});

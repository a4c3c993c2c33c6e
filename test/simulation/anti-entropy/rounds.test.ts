import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoundCluster } from '../../support/round-cluster.ts';

const MINUTE = 60_000;

test('a round brings every owner what it lacks, and settles', async () => {
  const cluster = new RoundCluster({ nodes: 3 });
  for (let number = 0; number < 300; number++) {
    const version = { atMs: -MINUTE - number, writer: number };
    for (const index of [0, 1, 2])
      if ((number + index) % 3 > 0) cluster.place(index, `key${number}`, version);
  }
  cluster.place(1, 'key5', { atMs: -MINUTE + 1_000, tombstone: true });
  await cluster.startAll();
  assert.deepEqual(await cluster.roundOverAll(), []);
  assert.deepEqual(cluster.differences(), []);
  for (const index of [0, 1, 2]) {
    assert.equal(cluster.held(index, 'key5'), 'deleted -59000.1');
    assert.ok(cluster.watermark(index, 'key5') > 0, `n${index} has settled it`);
    cluster.purge(index);
    assert.equal(cluster.held(index, 'key5'), null);
    assert.equal(cluster.held(index, 'key6'), `${-MINUTE - 6}.6`);
  }
});

test('equal replicas find themselves equal by a few bytes', async () => {
  const cluster = new RoundCluster({ nodes: 3 });
  for (let number = 0; number < 1_000; number++)
    for (const index of [0, 1, 2]) cluster.place(index, `key${number}`, { atMs: -MINUTE });
  await cluster.startAll();
  await cluster.roundOverAll();
  console.log(cluster.bytes, cluster.messages, cluster.clock.monotonicMs());
});

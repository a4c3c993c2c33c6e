/** What is written later wins, whatever node takes it: over nodes in this process whose clocks differ. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpClient } from '../../support/http.ts';
import { InProcessCluster } from '../../support/in-process-cluster.ts';
import { OffsetClock } from '../../support/offset-clock.ts';

const NODES = 3;

test('a write that began after another was acknowledged wins, though its node has a clock that is behind', async () => {
  await using cluster = await InProcessCluster.create(NODES);
  using client = new HttpClient();
  const clocks = [400, 0, -90].map((offsetMs) => Object.assign(new OffsetClock(), { offsetMs }));
  await Promise.all(clocks.map((clock, index) => cluster.start(index, { clock })));
  await cluster.meet();
  for (let from = 1; from <= NODES; from++) {
    for (const [first, second] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      const key = `key ${from} ${first} ${second}`;
      const quorum = { from, ack: Math.floor(from / 2) + 1 };
      assert.equal((await client.put(cluster.port(first), key, 'first', quorum)).status, 201);
      assert.equal((await client.put(cluster.port(second), key, 'second', quorum)).status, 201);
      for (let reader = 0; reader < NODES; reader++) {
        const { body } = await client.get(cluster.port(reader), key, quorum);
        assert.equal(body.toString(), 'second', `${key}, read through n${reader}`);
      }
      assert.equal((await client.put(cluster.port(first), key, 'third', quorum)).status, 201);
      assert.equal((await client.delete(cluster.port(second), key, quorum)).status, 202);
      for (let reader = 0; reader < NODES; reader++)
        assert.equal((await client.get(cluster.port(reader), key, quorum)).status, 404, key);
    }
  }
});

/** What is written later wins, whatever node takes it: over nodes in this process whose clocks differ. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { HttpClient } from '../../support/http.ts';
import { InProcessCluster } from '../../support/in-process-cluster.ts';
import { OffsetClock } from '../../support/offset-clock.ts';
import { takesLessThan, until } from '../../support/until.ts';

const NODES = 3;
const HOUR_MS = 3_600_000;

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

interface Status {
  readonly node: {
    readonly state: string;
    readonly conditions: readonly { readonly code: string; readonly stopsWrites: boolean }[];
  };
  readonly clock: { readonly state: string };
}

async function skewed(cluster: InProcessCluster): Promise<OffsetClock[]> {
  const clocks = Array.from({ length: NODES }, () => new OffsetClock());
  await Promise.all(clocks.map((clock, index) => cluster.start(index, { clock })));
  await cluster.meet();
  return clocks;
}

test('a node whose clock is an hour ahead answers 503, stores nothing, says why, and is back when it is right', async () => {
  await using cluster = await InProcessCluster.create(NODES);
  using client = new HttpClient();
  const clocks = await skewed(cluster);
  assert.equal((await client.put(cluster.port(1), 'key', 'before')).status, 201);
  clocks[0].offsetMs = HOUR_MS;
  for (const refused of [
    await client.put(cluster.port(0), 'key', 'wrong'),
    await client.delete(cluster.port(0), 'key'),
    await client.put(cluster.port(0), 'key', 'wrong', { ack: 1, from: 3 }),
  ]) {
    assert.equal(refused.status, 503);
    assert.ok(refused.headers['retry-after']);
    assert.match(
      refused.body.toString(),
      /clock of this node is \d+ ms or more ahead of 2 of the 2 other clocks/,
    );
  }
  const { node, clock } = (await client.status(cluster.port(0))) as unknown as Status;
  assert.deepEqual([node.state, clock.state], ['degraded', 'off']);
  assert.deepEqual(
    node.conditions.map(({ code, stopsWrites }) => [code, stopsWrites]),
    [['CLOCK_OFF', true]],
  );
  assert.ok(cluster.logged.some((line) => /^n0 error: The clock of this node is/.test(line)));
  assert.equal((await client.get(cluster.port(0), 'key')).body.toString(), 'before', 'reads go on');
  const everywhere = { ack: 3, from: 3 };
  assert.equal(
    (await client.put(cluster.port(1), 'key', 'meanwhile', everywhere)).status,
    201,
    'it is a replica',
  );
  const putAnswers = (status: number): Promise<void> =>
    until(
      async () => (await client.put(cluster.port(0), 'key', 'after', everywhere)).status === status,
      30_000,
      () => `writes are not answered with ${status}`,
    );
  await takesLessThan(2_000, async () => {
    clocks[0].offsetMs = HOUR_MS;
    await putAnswers(503);
    clocks[0].offsetMs = 0;
    await putAnswers(201);
  });
  for (const index of [1, 2, 0])
    assert.equal((await client.get(cluster.port(index), 'key')).body.toString(), 'after');
  assert.ok(cluster.logged.some((line) => /^n0 info: The clock of this node is right:/.test(line)));
});

test('clocks that are all an hour ahead for two seconds leave nothing behind', async () => {
  await using cluster = await InProcessCluster.create(NODES);
  using client = new HttpClient();
  const clocks = await skewed(cluster);
  for (const clock of clocks) clock.offsetMs = HOUR_MS;
  assert.equal((await client.put(cluster.port(0), 'key', 'ahead')).status, 201);
  await new Promise<void>((resolve) => systemClock.after(2_000, resolve));
  for (const clock of clocks) clock.offsetMs = 0;
  for (const [index, value] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
    assert.equal((await client.put(cluster.port(index % NODES), 'key', value)).status, 201);
    for (let reader = 0; reader < NODES; reader++)
      assert.equal((await client.get(cluster.port(reader), 'key')).body.toString(), value);
  }
});

test('a node started again writes above nothing that another acknowledged later', async () => {
  await using cluster = await InProcessCluster.create(NODES);
  using client = new HttpClient();
  await skewed(cluster);
  const one = { ack: 1, from: 1 };
  for (let round = 0; round < 4; round++) {
    // Its reservation is ahead of the time.
    await cluster.stop(0);
    await cluster.start(0);
    await cluster.meet();
    for (const key of ['p', 'q', 'r', 's']) {
      assert.equal((await client.put(cluster.port(0), key, 'first', one)).status, 201);
      assert.equal((await client.put(cluster.port(1), key, 'second', one)).status, 201);
      assert.equal((await client.get(cluster.port(2), key, one)).body.toString(), 'second', `round ${round}`);
    }
  }
});

import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { checkAllQuorums } from '../support/all-quorums.ts';
import { mappedFiles, TestCluster } from '../support/cluster.ts';
import { runCli } from '../support/run-cli.ts';
import { takesLessThan, until } from '../support/until.ts';

/** A busy machine may take longer than the second that is the default. */
const TIMEOUT_MS = 3_000;
const TIMEOUT = ['--request-timeout', `${TIMEOUT_MS}ms`];

async function freezeOne(cluster: TestCluster): Promise<void> {
  const { client, nodes, ports } = cluster;
  assert.equal((await client.put(ports[0], 'key', 'v1', { ack: 3, from: 3 })).status, 201);
  nodes[2].signal('SIGSTOP');
  try {
    await takesLessThan(1.6 * TIMEOUT_MS, async () => {
      assert.equal((await client.get(ports[0], 'key', { ack: 3, from: 3 })).status, 504);
    });
    const start = performance.now();
    for (let i = 0; i < 100; i++) {
      assert.equal((await client.put(ports[i % 2], `key-${i}`, 'v')).status, 201);
      assert.equal((await client.get(ports[(i + 1) % 2], `key-${i}`)).status, 200);
    }
    const tookMs = performance.now() - start;
    // If each waited for the frozen node, they would take 600 s.
    assert.ok(tookMs < 30_000, `200 requests took ${tookMs} ms beside a frozen node`);
  } finally {
    nodes[2].signal('SIGCONT');
  }
  await cluster.connected();
  await until(
    async () => (await client.get(ports[0], 'key', { ack: 3, from: 3 })).status === 200,
    30_000,
    () => 'the thawed node does not answer',
  );
}

const FROZEN = 'a frozen node delays no quorum, ends ack = from at the deadline, and comes back';

/** Most of what these cost is the start of nodes, so those share a cluster that leave it whole. */
describe('a cluster that outlives its failures', () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start({ nodes: 3, args: [...TIMEOUT, '--memtable-size', '4MiB'] });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test('every quorum is answered through every node', () => checkAllQuorums(cluster.client, cluster.ports));

  test('a node that is down costs nothing, and comes back with its data', async () => {
    const { client, nodes, ports } = cluster;
    assert.equal((await client.put(ports[0], 'before', 'v1', { ack: 3, from: 3 })).status, 201);
    await nodes[2].kill();
    await until(
      async () => (await client.get(ports[0], 'before', { ack: 3, from: 3 })).status === 504,
      30_000,
      () => 'ack = from does not fail while a replica is down',
    );
    // At once, because ack is out of reach.
    await takesLessThan(500, async () => {
      assert.equal((await client.put(ports[0], 'before', 'v2', { ack: 3, from: 3 })).status, 504);
    });
    assert.equal((await client.put(ports[1], 'during', 'v3')).status, 201);
    assert.equal((await client.get(ports[0], 'during')).body.toString(), 'v3');
    await nodes[2].start();
    await cluster.connected();
    // Its own copy is stale, but a quorum outvotes it.
    assert.equal((await client.get(ports[2], 'before')).body.toString(), 'v2');
    assert.equal((await client.get(ports[2], 'during')).body.toString(), 'v3');
    assert.equal((await client.get(ports[2], 'before', { ack: 3, from: 3 })).status, 200);
  });

  test(FROZEN, () => freezeOne(cluster));

  test('a node whose folder was emptied takes writes and counts for no read quorum until it is refilled', async () => {
    const { client, nodes, ports } = cluster;
    assert.equal((await client.put(ports[0], 'kept', 'v1', { ack: 3, from: 3 })).status, 201);
    await nodes[1].stop();
    nodes[1].empty();
    await nodes[1].start();
    await until(
      async () => {
        const { node } = (await client.status(ports[1])) as unknown as { node: { state: string } };
        return node.state === 'incomplete';
      },
      30_000,
      () => 'the emptied node does not notice',
    );
    assert.equal((await client.get(ports[0], 'kept')).body.toString(), 'v1');
    assert.equal((await client.get(ports[1], 'kept')).body.toString(), 'v1');
    assert.equal((await client.get(ports[0], 'kept', { ack: 3, from: 3 })).status, 504);
    assert.equal((await client.put(ports[0], 'new', 'v2', { ack: 3, from: 3 })).status, 201);
    // It is refilled meanwhile.
    await cluster.connected();
    assert.equal((await client.get(ports[0], 'kept', { ack: 3, from: 3 })).body.toString(), 'v1');
  });

  test('a folder put back to a copy of the same start is noticed, until it is declared whole', async () => {
    const { client, nodes, ports } = cluster;
    const all = { ack: 3, from: 3 };
    const nodeOf = async (i: number) =>
      (
        (await client.status(ports[i])) as unknown as {
          node: { state: string; conditions: { message: string }[] };
        }
      ).node;
    assert.equal((await client.put(ports[0], 'key', 'old', all)).status, 201);
    const copy = join(cluster.directory, 'copy');
    const isLasting = (path: string) => !path.endsWith('.tmp');
    cpSync(nodes[1].dataDirectory, copy, { recursive: true, filter: isLasting });
    const identityIn = (folder: string) => {
      const identity = readFileSync(join(folder, 'IDENTITY'), 'utf8');
      return JSON.parse(identity.slice(identity.indexOf('\n')));
    };
    // What is written before the next rise of its progress would not be missed. The copy may be further than what node-1
    // knew when it was made.
    const copied = identityIn(copy).history.progress as number;
    await until(
      async () => {
        assert.equal((await client.put(ports[0], 'key', 'new', all)).status, 201);
        return identityIn(nodes[0].dataDirectory).remembered['node-2'].progress > copied;
      },
      30_000,
      () => 'node-1 does not hear how far node-2 has come',
    );
    await nodes[1].kill();
    nodes[1].empty();
    cpSync(copy, nodes[1].dataDirectory, { recursive: true });
    await nodes[1].start();
    await until(
      async () => (await nodeOf(1)).state === 'incomplete',
      30_000,
      () => 'the node does not notice',
    );
    assert.match((await nodeOf(1)).conditions[0].message, /put back to an older copy/);
    for (const port of ports) assert.equal((await client.get(port, 'key')).body.toString(), 'new');
    assert.equal((await client.get(ports[0], 'key', all)).status, 504);
    await nodes[1].stop();
    assert.equal((await runCli(['declare-whole', nodes[1].dataDirectory])).exitCode, 0);
    await nodes[1].start();
    await cluster.connected();
    assert.equal((await client.get(ports[0], 'key', all)).body.toString(), 'new');
  });

  test('the whole cluster stops and starts without losing anything, deletions included', async () => {
    const { client, nodes, ports } = cluster;
    for (let i = 0; i < 200; i++)
      assert.equal((await client.put(ports[i % 3], `key-${i}`, `value-${i}`)).status, 201);
    for (let i = 0; i < 200; i += 4)
      assert.equal((await client.delete(ports[i % 3], `key-${i}`)).status, 202);
    await Promise.all(nodes.map((node) => node.stop()));
    await cluster.startAll();
    for (let i = 0; i < 200; i++) {
      const { status, body } = await client.get(ports[(i + 1) % 3], `key-${i}`);
      if (i % 4 === 0) assert.equal(status, 404, `key-${i}`);
      else assert.equal(body.toString(), `value-${i}`);
    }
  });

  test('no table is read on the main thread of a node that serves, and no native addon is mapped into it', async () => {
    const { client, nodes, ports } = cluster;
    const tableReads = async (): Promise<Record<string, number>> => {
      const { engine } = (await client.status(ports[0])) as unknown as {
        engine: { tableReadsByThread: Record<string, number> };
      };
      return engine.tableReadsByThread;
    };
    const value = Buffer.alloc(64 * 1024, 7);
    for (let i = 0; i < 200; i++) assert.equal((await client.put(ports[0], `key-${i}`, value)).status, 201);
    // While it started, before its reader threads were up, it may have read what it has to know of itself.
    const before = await tableReads();
    for (let i = 0; i < 200; i++) {
      const { body } = await client.get(ports[0], `key-${i}`);
      assert.ok(body.equals(value), `key-${i}`);
    }
    const after = await tableReads();
    assert.equal(after.main, before.main);
    assert.ok(after['reader-1'] > before['reader-1'], JSON.stringify(after));
    assert.deepEqual(
      mappedFiles(nodes[0].pid).filter((file) => file.endsWith('.node')),
      [],
    );
  });
});

describe('over HTTP', () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start({ nodes: 3, args: [...TIMEOUT, '--peer-protocol', 'http'] });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test('every quorum is answered through every node', () => checkAllQuorums(cluster.client, cluster.ports));
  test(FROZEN, () => freezeOne(cluster));
});

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, rmdir, writeFile } from 'node:fs/promises';
import { Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { NodeFileSystem } from '../../../../native-free-lsm/index.ts';
import type { AdmissionFigures } from '../../../../src/admission/admission.ts';
import { startHttpNode } from '../../../../src/cli/serve/http-node.ts';
import type { Condition } from '../../../../src/conditions.ts';
import { QuorateError, type QuorateErrorCode } from '../../../../src/errors.ts';
import { createIdentity, declareWhole, inspectFolder } from '../../../../src/replica/identity.ts';
import type { Identity } from '../../../../src/replica/identity-file.ts';
import { FailingDisk } from '../../../support/failing-disk.ts';
import { HttpClient } from '../../../support/http.ts';
import { InProcessCluster } from '../../../support/in-process-cluster.ts';
import { until } from '../../../support/until.ts';

interface NodeStatus {
  readonly node: {
    readonly id: string;
    readonly state: string;
    readonly version: string;
    readonly incarnation: string;
    readonly conditions: readonly Condition[];
  };
  readonly [more: string]: unknown;
}

async function statusOf(client: HttpClient, port: number): Promise<NodeStatus> {
  return (await client.status(port)) as unknown as NodeStatus;
}

async function refusal(promise: Promise<unknown>, code: QuorateErrorCode, sentence: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof QuorateError, String(error));
    assert.deepEqual([error.code, sentence.test(error.message)], [code, true], error.message);
    return true;
  });
}

async function identityOf(cluster: InProcessCluster, index: number): Promise<Identity> {
  const identity = inspectFolder(new NodeFileSystem(), cluster.folder(index), {
    clusterId: 'test',
    nodeId: `n${index}`,
  });
  assert.ok(identity !== null);
  return identity;
}

const noLock = () => ({ [Symbol.dispose]: () => {} });

test('new nodes find each other, are whole and serve; every one coordinates', async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  await cluster.startAll();
  for (const writer of [0, 1, 2]) {
    const everywhere = { ack: 3, from: 3 };
    assert.equal((await client.put(cluster.port(writer), 'key', `v${writer}`, everywhere)).status, 201);
    for (const reader of [0, 1, 2]) {
      const { status, body } = await client.get(cluster.port(reader), 'key', everywhere);
      assert.deepEqual([status, body.toString()], [200, `v${writer}`]);
    }
  }
  assert.equal((await client.delete(cluster.port(1), 'key')).status, 202);
  assert.equal((await client.get(cluster.port(2), 'key')).status, 404);
});

test('the status tells who the node is, how it is and whom it knows', async () => {
  await using cluster = await InProcessCluster.create(2);
  using client = new HttpClient();
  await cluster.startAll();
  await client.put(cluster.port(0), 'key', 'value', { ack: 2, from: 2 });
  const status = await statusOf(client, cluster.port(1));
  const identity = inspectFolder(new NodeFileSystem(), cluster.folder(1), {
    clusterId: 'test',
    nodeId: 'n1',
  });
  const { version } = JSON.parse(
    await readFile(new URL('../../../../package.json', import.meta.url), 'utf8'),
  );
  assert.deepEqual(status.node, {
    id: 'n1',
    state: 'serving',
    version,
    cluster: 'test',
    incarnation: identity!.incarnation,
    uptimeSeconds: 0,
    conditions: [],
  });
  // A round of anti-entropy may have kept promises of its own by then.
  assert.ok((status.engine as { estimatedKeys: number }).estimatedKeys >= 1);
  assert.deepEqual(
    (status.peers as { id: string; state: string }[]).map(({ id, state }) => [id, state]),
    [['n0', 'up']],
  );
  assert.deepEqual(
    (status.nodes as { id: string }[]).map(({ id }) => id),
    ['n0', 'n1'],
  );
  assert.equal(status.epoch, 1);
  const { lines, scans, ...admission } = status.admission as AdmissionFigures;
  const figures = { requestsInFlight: 0, bytesInFlight: 0, rangesInFlight: 0, admitted: 0, refused: 0 };
  assert.deepEqual(admission, figures);
  assert.deepEqual(scans, { streaming: 0, waiting: 0, gaveWay: 0, tooSlow: 0 });
  assert.deepEqual(Object.keys(lines), ['reads', 'smallWrites', 'largeWrites']);
  assert.deepEqual([lines.reads.served, lines.reads.waiting, lines.reads.refused], [0, 0, 0]);
  const { turns, windowSeconds } = status.eventLoopDelay as { turns: number; windowSeconds: number };
  assert.ok(turns > 0);
  assert.equal(windowSeconds, 60);
  assert.equal((status.replica as { refusedForClock: number }).refusedForClock, 0);
});

test('a node that is stopped and started keeps its incarnation, its data and its wholeness, with nobody else there', async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  await cluster.startAll();
  await client.put(cluster.port(0), 'key', 'value', { ack: 3, from: 3 });
  const before = await statusOf(client, cluster.port(0));
  for (const index of [0, 1, 2]) await cluster.stop(index);
  await cluster.start(0);
  const after = await statusOf(client, cluster.port(0));
  assert.deepEqual([after.node.state, after.node.incarnation], ['serving', before.node.incarnation]);
  assert.equal((await client.get(cluster.port(0), 'key')).status, 504);
  // The first node of the key's list is this one for some key: ask with one replica for what it has.
  const range = await client.send(cluster.port(0), 'GET', '/v0/entities?start=key');
  assert.equal(range.body.toString(), 'key\nvalue');
});

test('an emptied folder is noticed: writes are taken, reads do not count, until it is declared whole', async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  const all = { ack: 3, from: 3 };
  await cluster.startAll();
  await client.put(cluster.port(0), 'key', 'value', all);
  await cluster.stop(1);
  await cluster.empty(1);
  await cluster.start(1);
  await cluster.meet();
  assert.equal((await statusOf(client, cluster.port(1))).node.state, 'incomplete');
  assert.ok(cluster.logged.some((line) => /^n1 error: The data of this node is not whole/.test(line)));
  assert.ok(
    cluster.logged.some((line) => /^n0 warn: Node n1 has come back with another data folder/.test(line)),
  );
  assert.equal((await client.get(cluster.port(0), 'key', all)).status, 504);
  assert.equal((await client.get(cluster.port(1), 'key')).status, 200);
  assert.equal((await client.put(cluster.port(0), 'key', 'newer', all)).status, 201);
  assert.equal((await client.get(cluster.port(0), 'key', all)).status, 504);

  await cluster.stop(1);
  assert.equal(
    (await declareWhole(new NodeFileSystem(), cluster.folder(1), Date.now(), noLock)).nodeId,
    'n1',
  );
  await cluster.start(1);
  await cluster.meet();
  assert.equal((await statusOf(client, cluster.port(1))).node.state, 'serving');
  const { status, body } = await client.get(cluster.port(0), 'key', all);
  assert.deepEqual([status, body.toString()], [200, 'newer']);
});

test('a folder put back to an older copy is noticed, also one of the present start, until it is declared whole', async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  const all = { ack: 3, from: 3 };
  const node1 = async () => (await statusOf(client, cluster.port(1))).node;
  await cluster.startAll();
  await client.put(cluster.port(0), 'key', 'old', all);
  const copy = await cluster.copy(1);
  assert.equal((await client.put(cluster.port(0), 'key', 'new', all)).status, 201);
  const { history } = await identityOf(cluster, 1);
  const told = async () => (await identityOf(cluster, 0)).remembered.n1.progress > history.progress;
  await until(told, 30_000, () => 'n0 was not told that n1 has gone on');
  await cluster.stop(1);
  await cluster.putBack(1, copy);
  await cluster.start(1);
  await cluster.meet();
  assert.equal((await node1()).state, 'incomplete');
  assert.match((await node1()).conditions[0].message, /put back to an older copy.*declare-whole/);
  assert.ok(
    cluster.logged.some((line) => /^n0 warn: Node n1 has come back with an older copy/.test(line)),
    cluster.logged.join('\n'),
  );
  assert.equal((await client.get(cluster.port(0), 'key', all)).status, 504);
  const quorum = await client.get(cluster.port(1), 'key');
  assert.deepEqual([quorum.status, quorum.body.toString()], [200, 'new']);

  await cluster.stop(1);
  await declareWhole(new NodeFileSystem(), cluster.folder(1), Date.now(), noLock);
  await cluster.start(1);
  await cluster.meet();
  assert.equal((await node1()).state, 'serving');
  assert.equal((await client.get(cluster.port(0), 'key', all)).status, 200);
});

test('a whole cluster put back to copies of one moment serves what it held then', async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  const nodes = [0, 1, 2];
  await cluster.startAll();
  await client.put(cluster.port(0), 'key', 'old', { ack: 3, from: 3 });
  for (const node of nodes) await cluster.stop(node);
  const copies = await Promise.all(nodes.map((node) => cluster.copy(node)));
  await cluster.startAll();
  await client.put(cluster.port(0), 'key', 'new', { ack: 3, from: 3 });
  for (const node of nodes) await cluster.stop(node);
  for (const node of nodes) await cluster.putBack(node, copies[node]);
  await cluster.startAll();
  for (const node of nodes) {
    assert.equal((await statusOf(client, cluster.port(node))).node.state, 'serving');
    assert.equal((await client.get(cluster.port(node), 'key')).body.toString(), 'old');
  }
});

test('an engine that holds less than the identity knows is noticed without any peer', async () => {
  await using cluster = await InProcessCluster.create(1);
  using client = new HttpClient();
  await cluster.start(0);
  await client.put(cluster.port(0), 'key', 'value');
  const copy = await cluster.copy(0);
  await client.put(cluster.port(0), 'key', 'newer');
  await cluster.stop(0);
  await cluster.start(0);
  assert.equal((await statusOf(client, cluster.port(0))).node.state, 'serving');
  await cluster.stop(0);
  cluster.putBackEngine(0, copy);
  await cluster.start(0);
  const { node } = await statusOf(client, cluster.port(0));
  assert.equal(node.state, 'incomplete');
  assert.match(node.conditions[0].message, /its engine folder holds less than it did/);
  assert.equal((await client.get(cluster.port(0), 'key')).status, 504);
});

test('a new node of three is not whole before it has met both others', async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  await cluster.start(0);
  assert.equal((await statusOf(client, cluster.port(0))).node.state, 'joining');
  await cluster.start(1);
  assert.equal((await statusOf(client, cluster.port(0))).node.state, 'joining');
  await cluster.start(2);
  for (const node of [0, 1, 2]) {
    assert.equal((await statusOf(client, cluster.port(node))).node.state, 'serving');
  }
});

test("another node's, another cluster's and nobody's folder are refused, and nothing in them is touched", async () => {
  await using cluster = await InProcessCluster.create(1);
  await cluster.start(0);
  await cluster.stop(0);
  const content = await readFile(join(cluster.folder(0), 'IDENTITY'));
  const options = cluster.options(0);
  await refusal(
    startHttpNode({ ...options, clusterId: 'other' }),
    'FOREIGN_DIRECTORY',
    /belongs to cluster test/,
  );
  const renamed = { ...cluster.topology, nodes: [{ ...cluster.topology.nodes[0], id: 'n9' }] };
  await refusal(
    startHttpNode({ ...options, nodeId: 'n9', topology: renamed }),
    'FOREIGN_DIRECTORY',
    /belongs to node n0/,
  );
  await refusal(startHttpNode({ ...options, nodeId: 'n9' }), 'INVALID_CONFIG', /has no node n9/);
  assert.deepEqual(await readFile(join(cluster.folder(0), 'IDENTITY')), content);

  const letters = join(cluster.root, 'letters');
  await mkdir(letters);
  await writeFile(join(letters, 'letter.txt'), 'dear');
  await refusal(
    startHttpNode({ ...options, dataDirectory: letters }),
    'FOREIGN_DIRECTORY',
    /not a node's data folder/,
  );
  assert.deepEqual(await readdir(letters), ['letter.txt']);
});

test('a folder in use is refused and its node goes on; over the real engine, which holds the lock', async () => {
  await using cluster = await InProcessCluster.create(1);
  using client = new HttpClient();
  const { openStorage: _, ...realEngine } = cluster.options(0);
  await using node = await startHttpNode(realEngine);
  const port = Number(new URL(node.doorAddresses[0]).port);
  assert.equal((await client.put(port, 'key', 'value')).status, 201);
  await refusal(startHttpNode(realEngine), 'STORAGE', /is locked.*stop that one first/s);
  assert.equal((await client.put(port, 'key', 'newer')).status, 201);
  await node.drain();
  await using again = await startHttpNode(realEngine);
  assert.equal(
    (await client.get(Number(new URL(again.doorAddresses[0]).port), 'key')).body.toString(),
    'newer',
  );
});

test('a folder whose engine is missing, or is an empty mount point, is refused; emptied as a whole it is a new one', async () => {
  await using cluster = await InProcessCluster.create(1);
  using client = new HttpClient();
  const { openStorage: _, ...realEngine } = cluster.options(0);
  await using first = await startHttpNode(realEngine);
  assert.equal((await client.put(Number(new URL(first.doorAddresses[0]).port), 'key', 'value')).status, 201);
  await first.drain();
  const engine = join(cluster.folder(0), 'engine');
  const aside = join(cluster.root, 'aside');
  await rename(engine, aside);
  const sentence =
    /engine, which is missing or empty: if it held data before, mount its volume.*empty the whole data folder/;
  await refusal(startHttpNode(realEngine), 'STORAGE', sentence);
  assert.deepEqual(await readdir(cluster.folder(0)), ['IDENTITY'], 'nothing is made in its place');
  await mkdir(engine);
  await refusal(startHttpNode(realEngine), 'STORAGE', sentence);
  assert.deepEqual(await readdir(engine), []);
  await rmdir(engine);
  await rename(aside, engine);
  await using again = await startHttpNode(realEngine);
  assert.equal(
    (await client.get(Number(new URL(again.doorAddresses[0]).port), 'key')).body.toString(),
    'value',
  );
  await again.drain();
  await cluster.empty(0);
  await using _new = await startHttpNode(realEngine);
});

test('a first start that was cut short before its engine was there is begun again', async () => {
  await using cluster = await InProcessCluster.create(1);
  const { openStorage: _, ...realEngine } = cluster.options(0);
  const fields = { clusterId: 'test', nodeId: 'n0', nowMs: 0, random: () => 0.5 };
  await createIdentity(new NodeFileSystem(), cluster.folder(0), {
    ...fields,
    whole: 'unproven',
    clockCeiling: 0,
  });
  await using _node = await startHttpNode(realEngine);
});

test('a start that fails closes what it opened', async () => {
  await using cluster = await InProcessCluster.create(1);
  const { openStorage: _, ...realEngine } = cluster.options(0);
  const taken = await cluster.network.transport('n0').listen('n0', 1, (stream) => stream.destroy('taken'));
  await refusal(startHttpNode(realEngine), 'ADDRESS_IN_USE', /is taken/);
  await taken.close();
  await using node = await startHttpNode(realEngine);
  assert.match(node.doorAddresses[0], /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(node.rpcAddress, 'n0:1');
});

test('why a start failed is said, also where closing what it opened fails too', async () => {
  await using cluster = await InProcessCluster.create(1);
  const options = cluster.options(0);
  const openStorage: typeof options.openStorage = async (...folder) => {
    const engine = await options.openStorage!(...folder);
    return Object.assign(engine, { close: () => Promise.reject(new Error('the disk is gone')) });
  };
  const taken = await cluster.network.transport('n0').listen('n0', 1, (stream) => stream.destroy('taken'));
  await refusal(startHttpNode({ ...options, openStorage }), 'ADDRESS_IN_USE', /is taken/);
  await taken.close();
  assert.ok(
    cluster.logged.includes('n0 error: What the start had opened did not close: the disk is gone'),
    cluster.logged.join('\n'),
  );
});

test('a node whose identity cannot be synced while it starts does not serve, and nothing of it listens', async (t) => {
  await using cluster = await InProcessCluster.create(1);
  const options = cluster.options(0);
  const disk = new FailingDisk();
  const openStorage: typeof options.openStorage = (...folder) => {
    // The start is noted, then time is reserved: each is written, renamed and synced.
    disk.failAt = disk.changes.length + 5 + 4;
    return options.openStorage!(...folder);
  };
  const { calls } = t.mock.method(Server.prototype, 'listen').mock;
  await refusal(startHttpNode({ ...options, fs: disk, openStorage }), 'STORAGE', /EIO.*look after its disk$/);
  assert.deepEqual(
    calls.filter((call) => (call.this as Server).listening),
    [],
  );
  // Nor its RPC.
  const taken = await cluster.network.transport('n0').listen('n0', 1, () => {});
  await taken.close();
});

test('a node whose identity cannot be synced drains itself and says why', async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  const disk = new FailingDisk();
  const stopped = Promise.withResolvers<Error>();
  const node = await cluster.start(0, { fs: disk, onFault: stopped.resolve });
  // The first peer to be remembered is the first thing to be written, renamed and synced.
  disk.failAt = disk.changes.length + 4;
  disk.failure = 'EIO';
  await cluster.start(1);
  const fault = await stopped.promise;
  assert.match(fault.message, /EIO.*look after its disk$/);
  assert.ok(cluster.logged.includes(`n0 error: The node stops: ${fault.message}`));
  await assert.rejects(client.status(Number(new URL(node.doorAddresses[0]).port)), { code: 'ECONNREFUSED' });
  await assert.rejects(cluster.stop(0), /EIO/);
});

for (const [failure, code] of [
  ['ENOSPC', 'NO_SPACE'],
  ['EROFS', 'READ_ONLY'],
  ['EMFILE', 'IDENTITY_NOT_WRITTEN'],
  ['EIO', 'IDENTITY_NOT_WRITTEN'],
]) {
  test(`a node whose identity cannot be written for ${failure} reads on, refuses writes, and takes them when it can`, async () => {
    await using cluster = await InProcessCluster.create(1);
    using client = new HttpClient();
    const disk = new FailingDisk();
    await cluster.start(0, { fs: disk, onFault: (fault) => assert.fail(fault) });
    const one = { ack: 1, from: 1 };
    assert.equal((await client.put(cluster.port(0), 'key', 'value', one)).status, 201);
    disk.failAt = disk.changes.length;
    disk.failure = failure;
    let refused = await client.put(cluster.port(0), 'key', 'newer', one);
    // What was reserved of time before is good for a moment.
    await until(
      async () => {
        refused = await client.put(cluster.port(0), 'key', 'newer', one);
        return refused.status !== 201;
      },
      30_000,
      () => 'writes are taken without a reservation',
    );
    assert.equal(refused.status, 503);
    assert.match(refused.body.toString(), new RegExp(`no timestamp to give: .*${failure}`));
    assert.equal((await client.get(cluster.port(0), 'key', one)).body.toString(), 'newer');
    const { node } = await statusOf(client, cluster.port(0));
    assert.deepEqual(
      [node.state, node.conditions[0].code, node.conditions[0].stopsWrites],
      ['degraded', code, true],
    );
    disk.failAt = Number.POSITIVE_INFINITY;
    // Nobody has to ask: it is tried again by itself.
    await until(
      async () => (await statusOf(client, cluster.port(0))).node.state === 'serving',
      30_000,
      () => 'writes stay refused',
    );
    assert.equal((await client.put(cluster.port(0), 'key', 'last', one)).status, 201);
    const lines = cluster.logged.filter((line) => /takes (no )?writes/.test(line));
    assert.equal(lines.length, 2, lines.join('\n'));
  });
}

test('a drain waits for what is under way, at the node and at its peers', async () => {
  await using cluster = await InProcessCluster.create(2);
  using client = new HttpClient();
  await cluster.startAll();
  cluster.network.freeze('n1');
  const writes = Array.from({ length: 20 }, (_, i) =>
    client.put(cluster.port(0), `key${i}`, 'value', { ack: 2, from: 2 }),
  );
  await until(
    async () => {
      const { admission } = await statusOf(client, cluster.port(0));
      return (admission as AdmissionFigures).requestsInFlight === 20;
    },
    30_000,
    () => 'the writes are not under way',
  );
  const drained = Promise.all([cluster.stop(0), cluster.stop(1)]);
  cluster.network.thaw('n1');
  for (const { status } of await Promise.all(writes)) assert.equal(status, 201);
  await drained;
});

for (const [failure, code] of [
  ['ENOSPC', 'NO_SPACE'],
  ['EROFS', 'READ_ONLY'],
]) {
  test(`a node started while its identity cannot be written for ${failure} serves reads, takes no write, not even a peer's, and comes back`, async () => {
    await using cluster = await InProcessCluster.create(2);
    using client = new HttpClient();
    const disk = new FailingDisk();
    await cluster.start(0, { fs: disk });
    await cluster.start(1);
    await cluster.meet();
    const all = { ack: 2, from: 2 };
    assert.equal((await client.put(cluster.port(0), 'key', 'value', all)).status, 201);
    await cluster.stop(0);
    disk.failAt = disk.changes.length;
    disk.failure = failure;
    await cluster.start(0, { fs: disk, onFault: (fault) => assert.fail(fault) });
    await cluster.meet();
    const { node } = await statusOf(client, cluster.port(0));
    assert.deepEqual([node.state, node.conditions.map((condition) => condition.code)], ['degraded', [code]]);
    assert.equal((await client.get(cluster.port(0), 'key', all)).body.toString(), 'value');
    const own = await client.put(cluster.port(0), 'key', 'newer', all);
    assert.equal(own.status, 503);
    assert.match(own.body.toString(), new RegExp(`no timestamp to give: .*${failure}`));
    const asked = await client.put(cluster.port(1), 'key', 'newer', all);
    assert.equal(asked.status, 504);
    assert.match(asked.body.toString(), /its identity cannot be written/);
    disk.failAt = Number.POSITIVE_INFINITY;
    await until(
      async () => (await statusOf(client, cluster.port(0))).node.state === 'serving',
      30_000,
      () => 'the node does not come back',
    );
    assert.equal((await client.put(cluster.port(1), 'key', 'last', all)).status, 201);
    assert.equal((await client.put(cluster.port(0), 'key', 'last', all)).status, 201);
  });
}

test('without a secret a node listens for RPC on loopback alone', async () => {
  await using cluster = await InProcessCluster.create(1);
  const { clusterSecret: _, ...options } = cluster.options(0);
  const sentence =
    /node n0 is to listen for RPC on n0:1, where anybody .* no secret: make one with `openssl rand -hex 32/;
  await refusal(startHttpNode(options), 'INVALID_CONFIG', sentence);
  await refusal(
    startHttpNode({ ...options, clusterSecret: 'too short' }),
    'INVALID_CONFIG',
    /has 9 characters/,
  );
  await assert.rejects(readdir(cluster.folder(0)), { code: 'ENOENT' });
  const nodes = cluster.topology.nodes.map((node) => ({ ...node, rpc: { host: '127.0.0.1', port: 1 } }));
  await using node = await startHttpNode({ ...options, topology: { ...cluster.topology, nodes } });
  assert.match(node.doorAddresses[0], /^http:/);
  assert.ok(cluster.logged.some((line) => /n0 info: The cluster has no secret/.test(line)));
});

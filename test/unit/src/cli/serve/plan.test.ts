import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { planLocalCluster, planMember } from '../../../../../src/cli/serve/plan.ts';
import { chooseFreePorts } from '../../../../../src/cli/serve/ports.ts';
import { type ClusterSettings, defaultNodeSettings } from '../../../../../src/config.ts';

const HOST = '127.0.0.1';
const settings = defaultNodeSettings();
let folder = '';
let port = 0;
let rpcPort = 0;

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-plan-'));
  [port, rpcPort] = await chooseFreePorts(HOST, 2);
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

function cluster(changes: Partial<ClusterSettings> = {}): ClusterSettings {
  return {
    nodes: 1,
    host: HOST,
    port,
    restart: false,
    dataDirectory: path.join(folder, 'data'),
    ...changes,
  };
}

describe('a plan for a cluster on one machine', () => {
  it('gives each node its folder, its addresses and the cluster they share', async () => {
    const plan = planLocalCluster(cluster(), settings);
    using _held = plan;
    assert.deepEqual(plan.nodeIds, ['node-1']);
    const [config] = await plan.configure();
    assert.equal(config.nodeId, 'node-1');
    assert.equal(config.dataDirectory, path.join(folder, 'data', 'node-1'));
    assert.deepEqual(config.topology.nodes[0].http, { host: HOST, port });
    assert.notEqual(config.topology.nodes[0].rpc.port, port);
    assert.ok(config.settings.readers >= 1);
    // The nodes make their own folders.
    assert.deepEqual(fs.readdirSync(path.join(folder, 'data')), [
      'cluster.json',
      'cluster.lock',
      'cluster.secret',
    ]);
    assert.equal(config.secretFile, path.join(folder, 'data', 'cluster.secret'));
    using second = planLocalCluster(cluster(), settings);
    await assert.rejects(second.configure(), { code: 'STORAGE', message: /in use by another serve/ });
    plan[Symbol.dispose]();
    const [again] = await second.configure();
    assert.equal(again.clusterId, config.clusterId);
  });

  it('has the default number of replicas that it is given, in its topology, and no more than nodes', async () => {
    using plan = planLocalCluster(cluster(), settings, undefined, 1);
    const [config] = await plan.configure();
    assert.equal(config.topology.from, 1);
    assert.throws(() => planLocalCluster(cluster(), settings, undefined, 2), {
      code: 'INVALID_CONFIG',
      message: '--from 2 is too many: a cluster of 1 has at most 1 replicas of a key',
    });
  });

  it('takes the secret that it is given, and makes none', async () => {
    const file = path.join(folder, 'given.secret');
    fs.writeFileSync(file, 'x'.repeat(32), { mode: 0o600 });
    using plan = planLocalCluster(cluster(), settings, file);
    const [config] = await plan.configure();
    assert.equal(config.secretFile, file);
    assert.deepEqual(fs.readdirSync(path.join(folder, 'data')), ['cluster.json', 'cluster.lock']);
  });

  it('keeps the order of its ids, above nine nodes too', () => {
    const { nodeIds } = planLocalCluster(cluster({ nodes: 11, port: 20_000 }), settings);
    assert.deepEqual([nodeIds[1], nodeIds[9], nodeIds[10]], ['node-2', 'node-10', 'node-11']);
  });

  it('refuses what flags alone show to be wrong', () => {
    assert.throws(() => planLocalCluster(cluster({ nodes: 3, port: 65_534 }), settings), {
      code: 'INVALID_CONFIG',
      message: '--port 65534 leaves no room for 3 nodes: the last would be on 65536, above 65535',
    });
    assert.throws(() => planLocalCluster(cluster(), { ...settings, memtableBytes: 1 }), {
      code: 'INVALID_CONFIG',
    });
  });

  it('touches nothing when a port is in use', async () => {
    const { createServer } = await import('node:net');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, HOST, resolve));
    try {
      await assert.rejects(planLocalCluster(cluster(), settings).configure(), { code: 'ADDRESS_IN_USE' });
      assert.deepEqual(fs.readdirSync(folder), []);
    } finally {
      server.close();
    }
  });

  it('touches nothing when the folder is for another number of nodes', async () => {
    using plan = planLocalCluster(cluster(), settings);
    await plan.configure();
    const file = path.join(folder, 'data', 'cluster.json');
    const before = fs.readFileSync(file, 'utf8');
    await assert.rejects(planLocalCluster(cluster({ nodes: 2, port: 20_000 }), settings).configure(), {
      code: 'FOREIGN_DIRECTORY',
    });
    assert.equal(fs.readFileSync(file, 'utf8'), before);
  });
});

describe('a plan for one node of a real cluster', () => {
  function writeTopology(more: object = {}): string {
    const file = path.join(folder, 'cluster.json');
    const nodes = [
      { id: 'berlin-1', http: `${HOST}:${port}`, rpc: `${HOST}:${rpcPort}`, zone: 'berlin', weight: 2 },
      { id: 'paris-1', http: '192.0.2.1:19234', rpc: '192.0.2.1:19334' },
    ];
    fs.writeFileSync(file, JSON.stringify({ cluster: 'shop', placement: 'spread', nodes, ...more }));
    return file;
  }

  it('takes everything from the file, and makes nothing', async () => {
    const plan = planMember(writeTopology(), 'berlin-1', path.join(folder, 'data'), settings);
    assert.deepEqual(plan.nodeIds, ['berlin-1']);
    const [config] = await plan.configure();
    assert.equal(config.clusterId, 'shop');
    assert.equal(config.dataDirectory, path.join(folder, 'data', 'berlin-1'));
    assert.equal(config.topology.nodes.length, 2);
    assert.deepEqual(fs.readdirSync(folder), ['cluster.json']);
  });

  it('finds the secret beside the file that names it, unless another one is given', async () => {
    const named = path.join(folder, 'named.secret');
    const given = path.join(folder, 'given.secret');
    for (const file of [named, given]) fs.writeFileSync(file, 'x'.repeat(32), { mode: 0o600 });
    const topology = writeTopology({ secretFile: 'named.secret' });
    const [config] = await planMember(topology, 'berlin-1', folder, settings).configure();
    assert.equal(config.secretFile, named);
    const [other] = await planMember(topology, 'berlin-1', folder, settings, given).configure();
    assert.equal(other.secretFile, given);
  });

  it('refuses a secret that cannot be used before anything is made', async () => {
    const topology = writeTopology({ secretFile: 'missing.secret' });
    const plan = planMember(topology, 'berlin-1', path.join(folder, 'data'), settings);
    await assert.rejects(plan.configure(), {
      code: 'INVALID_CONFIG',
      message: /missing\.secret cannot be used/,
    });
    assert.deepEqual(fs.readdirSync(folder), ['cluster.json']);
  });

  it('names the nodes there are when the one asked for is not', async () => {
    const file = writeTopology();
    await assert.rejects(planMember(file, 'rome-1', folder, settings).configure(), {
      code: 'INVALID_TOPOLOGY',
      message: `${file} lists no node rome-1: name one of berlin-1, paris-1 with --node`,
    });
  });

  it('says so when the file cannot be read or is wrong', async () => {
    const missing = planMember(path.join(folder, 'missing.json'), 'a', folder, settings);
    await assert.rejects(missing.configure(), {
      code: 'INVALID_TOPOLOGY',
      message: /topology file cannot be read/,
    });
    const file = path.join(folder, 'wrong.json');
    fs.writeFileSync(file, '{"nodes": []}');
    await assert.rejects(planMember(file, 'a', folder, settings).configure(), {
      code: 'INVALID_TOPOLOGY',
    });
  });

  it('refuses addresses of other machines', async () => {
    const file = writeTopology();
    await assert.rejects(planMember(file, 'paris-1', path.join(folder, 'data'), settings).configure(), {
      code: 'INVALID_CONFIG',
      message: `192.0.2.1 is no address of this machine: choose one of its own in ${file}`,
    });
  });
});

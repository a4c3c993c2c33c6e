/** Whole nodes without doors whose views are replaced while they coordinate writes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MapEngine, type MapRecords } from '../../../../bench/cluster/map-engine.ts';
import { recordFrom } from '../../../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { systemClock } from '../../../../src/clock.ts';
import { ClusterView } from '../../../../src/cluster/cluster-view.ts';
import { clusterSecretOf } from '../../../../src/node/cluster-secret.ts';
import { NodeCore } from '../../../../src/node/core.ts';
import { openDataFolder } from '../../../../src/node/data-folder.ts';
import { Outcome } from '../../../../src/outcome.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import { InProcessCluster } from '../../../support/in-process-cluster.ts';
import { until } from '../../../support/until.ts';

const NODES = 4;
const WRITES = 300;
const VALUE = Buffer.from('value');

class TestNode implements AsyncDisposable {
  readonly core: NodeCore;
  readonly records: MapRecords;

  private constructor(core: NodeCore, records: MapRecords) {
    this.core = core;
    this.records = records;
  }

  static async start(cluster: InProcessCluster, index: number): Promise<TestNode> {
    const records: MapRecords = new Map();
    const openStorage = async () => new MapEngine(records);
    const options = { ...cluster.options(index), fs: new MemoryFileSystem(), openStorage, doors: [] };
    const folder = await openDataFolder(options, systemClock);
    const listener = { onDialled: () => core.clockWatch.measureSoon(), onDialledBy: () => undefined };
    const core = new NodeCore(options, systemClock, folder, clusterSecretOf(options), listener);
    const { host, port } = core.here.rpc;
    await core.server.listen(host, port);
    core.mesh.start();
    core.clockWatch.measureSoon();
    return new TestNode(core, records);
  }

  get isReady(): boolean {
    const { cluster, mesh, timestamps, wholeness } = this.core;
    return wholeness.isKnown && timestamps.isReady && cluster.peerIds.every((id) => mesh.isUp(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { clockWatch, coordinator, engine, mesh, repair, server, store } = this.core;
    coordinator.close();
    await repair.close();
    clockWatch.close();
    mesh.abort();
    server.abort();
    await Promise.all([mesh.close(), server.close()]);
    await store.settled();
    await engine.close();
  }
}

/** Answers by key. */
class Writes {
  readonly outcomes = new Map<string, string[]>();

  begin({ core }: TestNode, name: string): void {
    for (let i = 0; i < WRITES; i++) {
      const key = `${name} ${i}`;
      const outcomes: string[] = [];
      this.outcomes.set(key, outcomes);
      core.coordinator.put(Buffer.from(key), VALUE, quorumOptions(0, 0), {
        onLargeValue: () => undefined,
        onOutcome: (outcome, _value, reason) =>
          void outcomes.push(outcome === Outcome.ok ? 'ok' : `${outcome}: ${reason}`),
      });
    }
  }

  get areAnswered(): boolean {
    return [...this.outcomes.values()].every((outcomes) => outcomes.length > 0);
  }
}

/** How many keys of this name a node holds, and for how many replicas they were written. */
function held({ records }: TestNode, name: string): [count: number, froms: readonly number[]] {
  const found = [...records].filter(([key]) => key.startsWith(name)).map(([, record]) => record);
  return [found.length, [...new Set(found.map((record) => recordFrom(record, 0)))]];
}

test('writes of one view go on as the next one comes: each to the nodes that its own names', async () => {
  await using cluster = await InProcessCluster.create(NODES);
  await using stack = new AsyncDisposableStack();
  const nodes = await Promise.all(
    Array.from({ length: NODES }, (_, index) => TestNode.start(cluster, index)),
  );
  for (const node of nodes) stack.use(node);
  await until(
    () => nodes.every((node) => node.isReady),
    30_000,
    () => cluster.logged.join('\n'),
  );
  const replaceViews = (epoch: number, ...indexes: readonly number[]): void => {
    const members = indexes.map((index) => cluster.topology.nodes[index]);
    for (const { core } of nodes)
      core.cluster.replace(new ClusterView({ ...cluster.topology, nodes: members }, epoch));
  };
  const writes = new Writes();
  writes.begin(nodes[0], 'all');
  replaceViews(2, 2, 0, 1);
  writes.begin(nodes[0], 'fewer');
  replaceViews(3, 3, 1, 2, 0);
  writes.begin(nodes[0], 'again');
  await until(
    () => writes.areAnswered,
    30_000,
    () => 'writes without an answer',
  );
  assert.deepEqual([...new Set([...writes.outcomes.values()].map((outcomes) => outcomes.join()))], ['ok']);
  await until(
    () => nodes.every((node) => held(node, 'again')[0] === WRITES),
    30_000,
    () => 'the last writes are not on all nodes',
  );
  for (const [index, node] of nodes.entries()) {
    assert.deepEqual(held(node, 'all'), [WRITES, [4]]);
    assert.deepEqual(held(node, 'again'), [WRITES, [4]]);
    assert.deepEqual(held(node, 'fewer'), index === 3 ? [0, []] : [WRITES, [3]], `n${index}`);
    assert.equal(node.core.cluster.view.epoch, 3);
  }
  assert.deepEqual(
    cluster.logged.filter((line) => / (?:warn|error):/.test(line)),
    [],
  );
});

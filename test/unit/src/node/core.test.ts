/** Nodes without HTTP, and with another door than HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import type { AdmissionFigures } from '../../../../src/admission/admission.ts';
import type { DoorFactory } from '../../../../src/admission/door.ts';
import { httpDoor } from '../../../../src/http/door.ts';
import { type RunningNode, startNode } from '../../../../src/node/node.ts';
import type { OutcomeSink } from '../../../../src/outcome.ts';
import { Outcome } from '../../../../src/outcome.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import type { EntityService, NodeServices } from '../../../../src/services.ts';
import { HttpClient } from '../../../support/http.ts';
import { InProcessCluster } from '../../../support/in-process-cluster.ts';
import { type LineDoor, lineDoor } from '../../../support/line-door.ts';
import { until } from '../../../support/until.ts';

interface Answer {
  readonly outcome: Outcome;
  readonly value: string | null;
}

/** Asks a node's entities for one thing. */
function ask(
  call: (entities: EntityService, reply: OutcomeSink) => void,
  { entities }: NodeServices,
): Promise<Answer> {
  return new Promise((resolve) =>
    call(entities, {
      onLargeValue: () => {},
      onOutcome: (outcome, value) =>
        resolve({ outcome, value: value === null ? null : Buffer.from(value).toString() }),
    }),
  );
}

function put(node: RunningNode, key: string, value: string): Promise<Answer> {
  return ask(
    (entities, reply) => entities.put(Buffer.from(key), Buffer.from(value), quorumOptions(3, 3), reply, 0),
    node.services,
  );
}

function get(node: RunningNode, key: string): Promise<Answer> {
  return ask(
    (entities, reply) => entities.get(Buffer.from(key), quorumOptions(2, 3), reply, 0),
    node.services,
  );
}

function startAll(
  cluster: InProcessCluster,
  size: number,
  doors: readonly DoorFactory[],
): Promise<RunningNode[]> {
  const indexes = Array.from({ length: size }, (_, index) => index);
  return Promise.all(
    indexes.map((index) => startNode({ ...cluster.options(index), fs: new MemoryFileSystem(), doors })),
  );
}

interface SettlementFigures {
  readonly reads: number;
  readonly writes: number;
  readonly unsettled: number;
  readonly failures: readonly unknown[];
}

function underWay({ services }: RunningNode): number {
  const { admission } = services.status.status() as { admission: AdmissionFigures };
  return admission.requestsInFlight;
}

test('nodes without a door coordinate reads and writes for whoever calls their services, and drain', async () => {
  await using cluster = await InProcessCluster.create(3);
  await using stack = new AsyncDisposableStack();
  const nodes = await startAll(cluster, 3, []);
  for (const node of nodes) stack.use(node);
  for (const [i, node] of nodes.entries()) {
    assert.deepEqual(node.doorAddresses, []);
    assert.deepEqual(await put(node, `key${i}`, `value${i}`), { outcome: Outcome.ok, value: null });
  }
  for (const node of nodes) {
    assert.deepEqual(await get(node, 'key1'), { outcome: Outcome.ok, value: 'value1' });
    assert.deepEqual(await get(node, 'none'), { outcome: Outcome.notFound, value: null });
  }
  const { requests } = nodes[0].services.status.status() as { requests: SettlementFigures };
  assert.deepEqual(
    [requests.reads + requests.writes + requests.unsettled, requests.failures],
    [3, []],
    'each request is settled, or will be when its last replica has answered',
  );
  const { signal } = new AbortController();
  using page = await nodes[0].services.ranges.page(Buffer.from('key1'), null, 1000, 0, signal);
  assert.ok(page.usedBytes > 0);
  await nodes[0].quiesce(signal);
  const { node } = nodes[0].services.status.status() as { node: { state: string } };
  assert.equal(node.state, 'draining');
  await Promise.all(nodes.map((running) => running.drain()));
});

test('a node serves by all its doors, and its drain waits for what came through any of them', async () => {
  await using cluster = await InProcessCluster.create(2);
  await using stack = new AsyncDisposableStack();
  using client = new HttpClient();
  let door: LineDoor | undefined;
  const { settings } = cluster.options(0);
  const http = httpDoor({ host: '127.0.0.1', port: 0 }, settings);
  const starting = [[lineDoor((made) => (door = made)), http], []].map((doors, index) =>
    startNode({ ...cluster.options(index), doors }),
  );
  const [node, peer] = await Promise.all(starting);
  for (const running of [node, peer]) stack.use(running);
  const [lines, url] = node.doorAddresses;
  assert.equal(lines, 'lines:');
  using line = door!.connect();
  assert.equal(await line.ask('1 PUT key by-lines'), '1 OK ');
  const { status, body } = await client.get(Number(new URL(url).port), 'key');
  assert.deepEqual([status, body.toString()], [200, 'by-lines']);
  assert.equal(await line.ask('2 GET none'), '2 NONE');

  cluster.network.freeze('n1');
  line.say('3 PUT key last');
  await until(
    () => underWay(node) === 1,
    30_000,
    () => 'the write is not under way',
  );
  const drained = node.drain();
  assert.match(await line.ask('4 GET key'), /^4 overloaded/);
  cluster.network.thaw('n1');
  assert.equal(await line.answer(), '3 OK ');
  await Promise.all([drained, line.closed]);
});

/** A node whose storage threads are killed while it serves. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TestCluster } from '../support/cluster.ts';
import { takesLessThan, until, untilPrinted } from '../support/until.ts';

const KILLER = fileURLToPath(new URL('../support/thread-killer.ts', import.meta.url));
/** A busy machine may take longer than the second that is the default. */
const TIMEOUT = ['--request-timeout', '5s'];
/** Well within that: such an answer was not waited for. */
const AT_ONCE_MS = 2_500;
let optionsBefore: string | undefined;

before(() => {
  optionsBefore = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `${optionsBefore ?? ''} --import ${KILLER}`;
});
after(() => {
  if (optionsBefore === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = optionsBefore;
});

interface NodeStatus {
  readonly node: { readonly state: string };
  readonly engine: { readonly lastError: string | null };
}

async function statusOf(cluster: TestCluster): Promise<NodeStatus> {
  return JSON.parse((await cluster.client.send(cluster.ports[0], 'GET', '/v0/status')).body.toString());
}

test('a node whose writer thread is killed says so, refuses writes at once, serves reads, and is whole after a restart', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, args: TIMEOUT });
  const [node] = cluster.nodes;
  const { client } = cluster;
  for (let i = 0; i < 50; i++)
    assert.equal((await client.put(node.port, `key${i}`, `value${i}`)).status, 201);
  const writesDuringKill = Array.from({ length: 50 }, (_, i) =>
    client.put(node.port, `late${i}`, `value${i}`),
  );
  node.signal('SIGUSR2');
  const late = await Promise.all(writesDuringKill);
  for (const { status } of late) assert.ok(status === 201 || status === 504, `status ${status}`);
  // Nobody need write for it to be seen.
  let status = await statusOf(cluster);
  await until(
    async () => {
      status = await statusOf(cluster);
      return status.node.state === 'failed';
    },
    30_000,
    () => `the node is ${status.node.state}: ${status.engine.lastError}`,
  );
  assert.match(status.engine.lastError as string, /^the writer thread died \(.*\): restart the engine$/);

  await takesLessThan(AT_ONCE_MS, async () => {
    const refused = await client.put(node.port, 'key1', 'other');
    assert.equal(refused.status, 504);
    assert.match(refused.body.toString(), /node-1: takes no writes until it is restarted/);
  });
  assert.equal((await client.get(node.port, 'key1')).body.toString(), 'value1');
  await untilPrinted(node, /The node takes no more writes until it is started again: the writer thread died/);

  await node.stop();
  await cluster.startAll();
  for (let i = 0; i < 50; i++)
    assert.equal((await client.get(node.port, `key${i}`)).body.toString(), `value${i}`);
  for (const [i, { status }] of late.entries()) {
    const found = await client.get(node.port, `late${i}`);
    // Told or not, it is there or it is not; what was acknowledged is.
    if (status === 201 || found.status === 200) assert.equal(found.body.toString(), `value${i}`);
  }
  assert.equal((await client.put(node.port, 'key1', 'other')).status, 201);
});

test('a cluster goes on taking writes while one of its nodes takes none', async () => {
  await using cluster = await TestCluster.start({ nodes: 3, args: TIMEOUT });
  const { client, ports } = cluster;
  cluster.nodes[0].signal('SIGUSR2');
  await until(
    async () => (await statusOf(cluster)).node.state === 'failed',
    30_000,
    () => cluster.nodes[0].output,
  );
  for (const [i, port] of ports.entries()) {
    assert.equal((await client.put(port, `key${i}`, `value${i}`)).status, 201);
    assert.equal((await client.put(port, `all${i}`, 'x', { ack: 3, from: 3 })).status, 504);
    for (const other of ports)
      assert.equal((await client.get(other, `key${i}`)).body.toString(), `value${i}`);
  }
});

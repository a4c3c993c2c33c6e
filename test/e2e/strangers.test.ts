/** What strangers can do to a cluster of processes, on the port for nodes and on the one for clients: nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { TestCluster } from '../support/cluster.ts';
import { greeting } from '../support/rpc-handshake.ts';
import { helloOf } from '../support/rpc-nodes.ts';
import { until, untilPrinted } from '../support/until.ts';

interface Peers {
  readonly peers: readonly {
    readonly id: string;
    readonly state: string;
    readonly lastError: string | null;
  }[];
}

/** Sends bytes to a port, and gives what has come until the connection ends. */
function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.on('data', (piece) => received.push(piece as Buffer));
    socket.on('close', () => resolve(Buffer.concat(received)));
    socket.write(bytes);
  });
}

test('a node with another secret is refused on both sides, says so in its status, and is back with the right one', async () => {
  await using cluster = await TestCluster.start({ nodes: 3 });
  const { client, nodes, ports, secretFile } = cluster;
  assert.equal((await client.put(ports[0], 'key', 'value', { ack: 3, from: 3 })).status, 201);
  const [first, , third] = nodes;
  const before = first.output.length;
  await third.kill();
  writeFileSync(secretFile, 'what the nodes of another cluster know');
  await third.start();
  const peersOf = async (port: number) => ((await client.status(port)) as unknown as Peers).peers;
  const refused = async () => {
    const [ofFirst, ofThird] = await Promise.all([peersOf(ports[0]), peersOf(ports[2])]);
    const isRefused = ({ state, lastError }: Peers['peers'][number]) =>
      state === 'refused' && /does not prove that it knows this node's cluster secret/.test(lastError ?? '');
    return (
      ofThird.every(isRefused) &&
      ofFirst
        .filter(isRefused)
        .map(({ id }) => id)
        .join() === 'node-3'
    );
  };
  await until(refused, 30_000, () => `${first.output.slice(before)}\n${third.output}`);
  assert.equal((await client.get(ports[2], 'key')).status, 504);
  assert.equal((await client.get(ports[0], 'key')).body.toString(), 'value');
  await untilPrinted(third, /cluster secret/);
  await until(
    () => first.output.includes('cluster secret', before),
    30_000,
    () => first.output,
  );
  for (const output of [first.output.slice(before), third.output]) {
    const lines = output.split('\n').filter((line) => line.includes('cluster secret'));
    assert.ok(lines.length >= 1 && lines.length <= 3, lines.join('\n'));
  }
  await third.kill();
  writeFileSync(secretFile, 'what the nodes of this cluster know');
  await third.start();
  await cluster.connected();
  assert.equal((await client.get(ports[2], 'key', { ack: 3, from: 3 })).body.toString(), 'value');
});

describe('strangers at a cluster of two nodes', () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start({ nodes: 2, args: ['--allow-host', 'db.example'] });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test('a page of another site cannot use a node by way of a browser', async () => {
    const { client, ports } = cluster;
    const [port] = ports;
    const put = async (...headers: string[]) => {
      const lines = ['PUT /v0/entity?id=page HTTP/1.1', ...headers, 'Content-Length: 5', 'Connection: close'];
      const answer = await exchange(port, Buffer.from(`${lines.join('\r\n')}\r\n\r\nvalue`));
      return Number(answer.toString().split(' ')[1]);
    };
    assert.equal(await put('Host: evil.example'), 421);
    assert.equal(await put(`Host: 127.0.0.1:${port}`, 'Origin: http://evil.example'), 403);
    assert.equal(await put(`Host: 127.0.0.1:${port}`, 'Host: evil.example'), 400);
    assert.equal((await client.get(port, 'page')).status, 404);
    assert.equal(await put('Host: db.example', 'Origin: http://db.example'), 201);
  });

  test('whoever does not know the secret learns nothing and takes no place of a node', async () => {
    const { client, nodes, ports, rpcPorts } = cluster;
    const hello = helloOf('node-2', { clusterId: 'e2e', incarnation: 'forged', declaredMs: Date.now() });
    const told = await exchange(rpcPorts[0], greeting(hello, 'a secret that is not the one of this cluster'));
    assert.equal(told.length, 53, `a challenge and nothing else: ${told.toString('latin1')}`);
    for (const word of ['e2e', 'node-', 'differ', 'secret']) assert.ok(!told.includes(word), word);

    const idle: Socket[] = [];
    // A few at a time: what overflows the kernel's queue is open for the client alone, until the kernel gives it up.
    for (let opened = 0; opened < 2_000; opened += 100) {
      const some = Array.from({ length: 100 }, () => connect({ port: rpcPorts[0], host: '127.0.0.1' }));
      for (const socket of some) socket.on('error', () => undefined).resume();
      await Promise.all(some.map((socket) => once(socket, 'connect')));
      idle.push(...some);
    }
    try {
      await nodes[1].kill();
      await nodes[1].start();
      await cluster.connected();
      assert.equal((await client.put(ports[1], 'key', 'value', { ack: 2, from: 2 })).status, 201);
      const { state } = ((await client.status(ports[0])) as unknown as { node: { state: string } }).node;
      assert.equal(state, 'serving');
      await until(
        () => idle.every((socket) => socket.destroyed),
        30_000,
        () => `${idle.filter((socket) => !socket.destroyed).length} idle connections are left`,
      );
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });
});

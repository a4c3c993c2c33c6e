import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Random, seededRandom } from '../../src/clock.ts';
import { TestCluster } from '../support/cluster.ts';
import { malformedHttpRequests } from '../support/http-fuzz.ts';
import { malformedRpc } from '../support/malformed-rpc.ts';

const HTTP_REQUESTS = 60_000;
const RPC_FRAMES = 40_000;
const CONNECTIONS = 64;

/** Sends `count` of them, each over a connection of its own, and waits until the server has let go of it. */
async function send(port: number, count: number, all: Iterator<Buffer>): Promise<void> {
  let sent = 0;
  const client = async (): Promise<void> => {
    while (sent++ < count) await exchange(port, all.next().value);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
}

function* malformedFrames(random: Random): Generator<Buffer> {
  for (;;) yield malformedRpc(random);
}

function exchange(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    // An answer, or the end of the connection: either way the server is done with it.
    socket.on('data', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.end(bytes);
  });
}

function openDescriptors(pid: number): number {
  return Number(/FDSize:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test('100,000 malformed requests and frames: no crash, no leak, the cluster serves on', async (t) => {
  const seed = Number(process.env.SEED ?? 7);
  t.diagnostic(`seed ${seed}`);
  const requests = malformedHttpRequests(seed, HTTP_REQUESTS);
  const frames = malformedFrames(seededRandom(seed));
  await using cluster = await TestCluster.start({
    nodes: 2,
    args: ['--log-level', 'silent', '--allow-host', 'fuzz.test'],
  });
  const { client, nodes, ports } = cluster;
  const topology = JSON.parse(readFileSync(join(cluster.directory, 'topology.json'), 'utf8'));
  const rpcPort = Number(topology.nodes[0].rpc.split(':')[1]);
  assert.equal((await client.put(ports[0], 'kept', 'value', { ack: 2, from: 2 })).status, 201);
  await send(ports[0], 2_000, requests);
  await send(rpcPort, 2_000, frames);
  const residentBefore = residentMib(nodes[0].pid);
  await send(ports[0], HTTP_REQUESTS - 2_000, requests);
  await send(rpcPort, RPC_FRAMES - 2_000, frames);
  const grown = residentMib(nodes[0].pid) - residentBefore;
  assert.ok(grown < 150, `resident memory grew by ${grown.toFixed(0)} MiB`);
  assert.ok(openDescriptors(nodes[0].pid) < 1024, 'descriptors are left open');
  for (const port of ports) {
    assert.equal((await client.get(port, 'kept', { ack: 2, from: 2 })).body.toString(), 'value');
    assert.equal((await client.put(port, `after-${port}`, 'value', { ack: 2, from: 2 })).status, 201);
  }
});

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

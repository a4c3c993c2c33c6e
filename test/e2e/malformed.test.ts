/**
 * Malformed requests and frames at a node of a real cluster, each over a connection of its own. `npm test` sends 20,000;
 * MALFORMED=all (`npm run malformed`) sends 100,000 of the same.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Random, seededRandom } from '../../src/clock.ts';
import { TestCluster } from '../support/cluster.ts';
import { collectingEnvironment } from '../support/collect-on-signal.ts';
import { malformedHttpRequests } from '../support/http-fuzz.ts';
import { malformedRpc } from '../support/malformed-rpc.ts';
import { until } from '../support/until.ts';

const COUNT = process.env.MALFORMED === 'all' ? 100_000 : 20_000;
const HTTP_REQUESTS = COUNT * 0.6;
const RPC_FRAMES = COUNT * 0.4;
/** Of each kind, before the memory of the node is first looked at. */
const WARM_UP = 2_000;
/** What memory may grow by without a leak: what is to be given back to the system, and a little for each connection. */
const SLACK_MIB = 64;
const SLACK_BYTES_EACH = 300;
const CONNECTIONS = 64;
const POLLS_A_COLLECTION = 100;

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

test(`${COUNT} malformed requests and frames: no crash, no leak, the cluster serves on`, async (t) => {
  const seed = Number(process.env.SEED ?? 7);
  t.diagnostic(`seed ${seed}`);
  const requests = malformedHttpRequests(seed, HTTP_REQUESTS);
  const frames = malformedFrames(seededRandom(seed));
  await using cluster = await TestCluster.start({
    nodes: 2,
    args: ['--log-level', 'silent', '--allow-host', 'fuzz.test'],
    environment: () => collectingEnvironment,
  });
  const { client, nodes, ports } = cluster;
  const topology = JSON.parse(readFileSync(join(cluster.directory, 'topology.json'), 'utf8'));
  const rpcPort = Number(topology.nodes[0].rpc.split(':')[1]);
  assert.equal((await client.put(ports[0], 'kept', 'value', { ack: 2, from: 2 })).status, 201);
  await send(ports[0], WARM_UP, requests);
  await send(rpcPort, WARM_UP, frames);
  const residentBefore = residentMib(nodes[0].pid);
  await send(ports[0], HTTP_REQUESTS - WARM_UP, requests);
  await send(rpcPort, RPC_FRAMES - WARM_UP, frames);
  const most = SLACK_MIB + (SLACK_BYTES_EACH * (COUNT - 2 * WARM_UP)) / 2 ** 20;
  let grownMib = 0;
  let polls = 0;
  // Of what it has collected, it gives the pages back some seconds later.
  await until(
    async () => {
      // Not at every poll: a node that only collects answers nobody in time.
      if (polls++ % POLLS_A_COLLECTION === 0) process.kill(nodes[0].pid, 'SIGUSR2');
      grownMib = residentMib(nodes[0].pid) - residentBefore;
      return grownMib < most;
    },
    30_000,
    () => `resident memory grew by ${grownMib.toFixed(0)} MiB, more than ${most.toFixed(0)}`,
  );
  t.diagnostic(`resident memory grew by ${grownMib.toFixed(0)} MiB`);
  assert.ok(openDescriptors(nodes[0].pid) < 1024, 'descriptors are left open');
  for (const port of ports) {
    assert.equal((await client.get(port, 'kept', { ack: 2, from: 2 })).body.toString(), 'value');
    assert.equal((await client.put(port, `after-${port}`, 'value', { ack: 2, from: 2 })).status, 201);
  }
});

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Whole nodes that ask each other's replicas over HTTP. RPC goes over a network in memory, HTTP over sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpNodeOptions } from '../../../../src/cli/serve/http-node.ts';
import { defaultNodeSettings } from '../../../../src/config.ts';
import { HttpClient } from '../../../support/http.ts';
import { InProcessCluster } from '../../../support/in-process-cluster.ts';
import { takesLessThan, until } from '../../../support/until.ts';

const EVERYWHERE = { ack: 3, from: 3 };
const OVER_HTTP = {
  settings: {
    ...defaultNodeSettings(),
    peerProtocol: 'http' as const,
    antiEntropyIntervalMs: 0,
    // On a busy machine a request waits for its core again and again.
    requestTimeoutMs: 10_000,
  },
};
const REFUSAL =
  /^Nodes n\d and n\d differ in peer protocol: .*; every node of a cluster must be given the same --peer-protocol$/;

interface Status {
  readonly peers: readonly {
    readonly id: string;
    readonly state: string;
    readonly inFlight: number;
    readonly lastError: string | null;
  }[];
  readonly requests: { readonly failures: readonly { readonly code: string }[] };
}

/** Loopback has many addresses on Linux, and a node listens on its own. */
async function start(more: (index: number) => Partial<HttpNodeOptions>): Promise<InProcessCluster> {
  const cluster = await InProcessCluster.create(3, (index) => `127.0.0.${index + 1}`);
  await Promise.all([0, 1, 2].map((index) => cluster.start(index, more(index))));
  return cluster;
}

async function statusOf(client: HttpClient, port: number): Promise<Status> {
  return (await client.status(port)) as unknown as Status;
}

test('nodes that are told so ask replicas over HTTP, with the same answers, and none fails', async () => {
  await using cluster = await start(() => OVER_HTTP);
  using client = new HttpClient();
  await cluster.meet();
  const large = Buffer.alloc(1024 * 1024, 'large');
  for (const writer of [0, 1, 2]) {
    for (const value of [Buffer.from(`v${writer}`), Buffer.alloc(0), large]) {
      const id = `key ä/?#${writer}`;
      assert.equal((await client.put(cluster.port(writer), id, value, EVERYWHERE)).status, 201);
      const { status, body } = await client.get(cluster.port((writer + 1) % 3), id, EVERYWHERE);
      assert.deepEqual([status, body.equals(value)], [200, true]);
      assert.equal((await client.delete(cluster.port(writer), id, EVERYWHERE)).status, 202);
      assert.equal((await client.get(cluster.port(writer), id, EVERYWHERE)).status, 404);
    }
  }
  for (const index of [0, 1, 2]) {
    // Deletions are passed on to the last replica after their answer.
    await until(
      async () => (await statusOf(client, cluster.port(index))).peers.every(({ inFlight }) => inFlight === 0),
      10_000,
      () => `node ${index} has requests in flight`,
    );
    const { peers, requests } = await statusOf(client, cluster.port(index));
    assert.deepEqual(
      peers.map(({ state }) => state),
      ['up', 'up'],
    );
    assert.deepEqual(requests.failures, []);
  }
  // Requests for records would have come over it: what was sent is handshakes and clocks.
  assert.ok(cluster.network.carriedBytes < 100_000, `${cluster.network.carriedBytes} bytes over RPC`);
});

test('a peer that stops costs nothing over HTTP, and is asked again when it is back', async () => {
  await using cluster = await start(() => OVER_HTTP);
  using client = new HttpClient();
  await cluster.meet();
  assert.equal((await client.put(cluster.port(0), 'key', 'v1', EVERYWHERE)).status, 201);
  // Under load: what it has begun is answered, what comes later is refused, and two of three are enough throughout.
  let isStopped = false;
  const load = Array.from({ length: 8 }, async (_, i) => {
    for (let n = 0; !isStopped; n++) {
      assert.equal((await client.put(cluster.port(0), `key${i}`, `${n}`)).status, 201);
      assert.equal((await client.get(cluster.port(1), `key${i}`)).body.toString(), `${n}`);
    }
  });
  await cluster.stop(2);
  isStopped = true;
  await Promise.all(load);
  // It does not wait for a peer that is down.
  await takesLessThan(500, async () => {
    assert.equal((await client.put(cluster.port(0), 'key', 'v2', EVERYWHERE)).status, 504);
  });
  await cluster.start(2, OVER_HTTP);
  await cluster.meet();
  assert.equal((await client.put(cluster.port(0), 'key', 'v3', EVERYWHERE)).status, 201);
  assert.equal((await client.get(cluster.port(2), 'key', EVERYWHERE)).body.toString(), 'v3');
});

test('a node with another peer protocol is refused on both sides, and says so in its status', async () => {
  await using cluster = await start((index) => (index === 2 ? OVER_HTTP : {}));
  using client = new HttpClient();
  const refusing = async (index: number, peerIds: string): Promise<boolean> => {
    const { peers } = await statusOf(client, cluster.port(index));
    const refused = peers.filter(
      ({ state, lastError }) => state === 'refused' && REFUSAL.test(lastError ?? ''),
    );
    return refused.map(({ id }) => id).join() === peerIds;
  };
  await until(
    async () => (await refusing(0, 'n2')) && (await refusing(1, 'n2')) && (await refusing(2, 'n0,n1')),
    30_000,
    () => `they do not refuse each other: ${cluster.logged.join('\n')}`,
  );
  assert.equal((await client.put(cluster.port(0), 'key', 'value')).status, 201);
  assert.equal((await client.put(cluster.port(0), 'key', 'value', EVERYWHERE)).status, 504);
  assert.notEqual((await client.put(cluster.port(2), 'key', 'value')).status, 201);
  assert.ok(
    cluster.logged.some((line) => /^n0 warn: Refused (?:by )?node n2 .*differ in peer protocol/.test(line)),
  );
});

/**
 * What every request promises, at clusters of every size and with every way of asking replicas. The nodes run in this
 * process, over a network in memory: a process costs most of a second. Clusters of processes answer every quorum in
 * `failures.test.ts`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { defaultNodeSettings } from '../../src/config.ts';
import { checkAllQuorums } from '../support/all-quorums.ts';
import { HttpClient } from '../support/http.ts';
import { InProcessCluster } from '../support/in-process-cluster.ts';
import { REPLICATIONS } from '../support/replication.ts';

async function checkInProcess(size: number, replication = defaultNodeSettings().replication): Promise<void> {
  await using cluster = await InProcessCluster.create(size);
  using client = new HttpClient();
  await cluster.startAll({ settings: { ...defaultNodeSettings(), replication } });
  await checkAllQuorums(client, cluster.ports);
}

describe('a cluster answers every quorum through every node', () => {
  for (const nodes of [1, 2, 3]) {
    const name = nodes === 1 ? '1 node' : `${nodes} nodes`;
    test(`${name} in one process`, () => checkInProcess(nodes));
  }
  for (const replication of REPLICATIONS) {
    if (replication === defaultNodeSettings().replication) continue;
    test(`3 nodes in one process, ${replication}`, () => checkInProcess(3, replication));
  }
});

describe('5 nodes', () => {
  const client = new HttpClient();
  let cluster: InProcessCluster;
  let ports: readonly number[];
  before(async () => {
    cluster = await InProcessCluster.create(5);
    await cluster.startAll();
    ports = cluster.ports;
  });
  after(async () => {
    client[Symbol.dispose]();
    await cluster[Symbol.asyncDispose]();
  });

  test('answer every quorum through every node', () => checkAllQuorums(client, ports));

  test('refuse with a sentence what a request may not say', async () => {
    const refusals: [string, string, number, RegExp][] = [
      ['GET', '/v0/entity', 400, /id/],
      ['GET', '/v0/entity?id=', 400, /id/],
      ['GET', '/v0/entity?id=a&ack=0', 400, /ack/],
      ['GET', '/v0/entity?id=a&ack=x', 400, /ack/],
      ['GET', '/v0/entity?id=a&ack=2&from=1', 400, /ack/],
      ['GET', '/v0/entity?id=a&ack=1&from=6', 400, /from/],
      ['GET', '/v0/entity?id=%zz', 400, /id|percent/],
      ['GET', '/v0/entity?id=%ff', 400, /UTF-8/],
      ['GET', '/v0/nothing', 404, /./],
      ['POST', '/v0/entity?id=a', 405, /./],
    ];
    for (const [method, path, status, says] of refusals) {
      const answer = await client.send(ports[0], method, path);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${answer.body}`);
      assert.match(answer.body.toString(), says, `${method} ${path}`);
    }
    assert.equal((await client.put(ports[0], 'big', Buffer.alloc(1024 * 1024 + 1))).status, 413);
    assert.equal((await client.put(ports[0], 'big', Buffer.alloc(1024 * 1024))).status, 201);
    assert.equal((await client.get(ports[1], 'big')).body.length, 1024 * 1024);
    assert.equal((await client.put(ports[0], 'k'.repeat(4096), '')).status, 201);
    const empty = await client.get(ports[1], 'k'.repeat(4096));
    assert.equal(empty.status, 200);
    assert.equal(empty.body.length, 0);
  });

  test('answer conditions, lives and explanations through every node', async () => {
    const entity = (id: string, more = ''): string => `/v0/entity?id=${id}${more}`;
    const created = await client.send(ports[0], 'PUT', entity('tagged'), 'one', { 'if-none-match': '*' });
    assert.equal(created.status, 201);
    const tag = String(created.headers.etag);
    for (const port of ports) {
      const same = await client.send(port, 'GET', entity('tagged'), undefined, { 'if-none-match': tag });
      assert.deepEqual([same.status, same.body.length, same.headers.etag], [304, 0, tag]);
      const again = await client.send(port, 'PUT', entity('tagged'), 'two', { 'if-none-match': '*' });
      assert.deepEqual([again.status, again.headers.etag], [412, tag]);
    }
    const changed = await client.send(ports[1], 'PUT', entity('tagged', '&ttl=1h'), 'two', {
      'if-match': tag,
    });
    assert.equal(changed.status, 201, String(changed.body));
    assert.equal(
      (await client.send(ports[2], 'DELETE', entity('tagged'), undefined, { 'if-match': tag })).status,
      412,
    );
    const read = await client.send(ports[3], 'GET', entity('tagged'));
    const [, seconds] = /^max-age=(\d+)$/.exec(String(read.headers['cache-control'])) ?? [];
    assert.ok(Number(seconds) > 3_500 && Number(seconds) <= 3_600, String(read.headers['cache-control']));
    const explained = await client.send(ports[4], 'GET', entity('tagged', '&explain=1&from=5&ack=5'));
    const { etag, questions, replicas, valueBytes } = JSON.parse(String(explained.body));
    const reads = questions.filter(({ kind }: { kind: string }) => kind === 'read').length;
    assert.deepEqual([etag, valueBytes, reads, replicas.length], [read.headers.etag, 3, 5, 5]);
  });

  test('write never more than `from` copies, on the first nodes of the preference list', async () => {
    for (let i = 0; i < 50; i++) {
      const id = `copies-${i}`;
      assert.equal((await client.put(ports[i % 5], id, id, { ack: 3, from: 3 })).status, 201);
    }
    const holders = new Map<string, number>();
    for (const port of ports) {
      const { body } = await client.send(port, 'GET', '/v0/entities?start=copies-&end=copies.');
      for (const line of body.toString().matchAll(/copies-\d+(?=\n)/g)) {
        holders.set(line[0], (holders.get(line[0]) ?? 0) + 1);
      }
    }
    assert.equal(holders.size, 50);
    for (const [id, copies] of holders) assert.equal(copies, 3, id);
  });
});

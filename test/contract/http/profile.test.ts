/** The route by which a node is profiled, with a profiler that has real samplers, and what strangers try on it. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import type { EngineThread } from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { NodeProfiler } from '../../../src/node/profiling/node-profiler.ts';
import type { NodeProfile } from '../../../src/node-profile.ts';
import { resetSocket } from '../../../src/reset-socket.ts';
import type { ProfileService } from '../../../src/services.ts';
import { Harness } from './harness.ts';
import type { RawClient } from './raw-client.ts';

const LONG = '/v0/profile?kinds=cpu,heap&durationMs=600000';
const SHORT = '/v0/profile?kinds=&durationMs=10';

/** As a program on the same machine sends it. */
function request(method: string, target: string, ...headers: string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, 'Host: 127.0.0.1:80', ...headers].join('\r\n')}\r\n\r\n`;
}

/** What its samplers say is as large as it is told. */
function threadOf(bytes: number): EngineThread {
  const sampler = { stop: async () => `"${'x'.repeat(bytes)}"` };
  const handle = {
    startCpuProfile: async () => sampler,
    startHeapProfile: async () => sampler,
    cpuUsage: async () => ({ user: 0, system: 0 }),
    getHeapStatistics: async () => ({ total_allocated_bytes: 0 }),
    performance: { eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0 }) },
  };
  return { name: 'writer', handle: handle as unknown as EngineThread['handle'] };
}

function profiler(threads: readonly EngineThread[] = []): NodeProfiler {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const engineThreads = { list: () => [...threads], recordWaits: () => undefined, takeWaits: () => [] };
  return new NodeProfiler({
    nodeId: 'node-1',
    engine: { threads: engineThreads },
    clock: systemClock,
    log: silent,
  });
}

describe('the route of profiles', { timeout: 120_000 }, () => {
  const all: NodeProfiler[] = [];
  after(() => Promise.all(all.map((each) => each.close())));
  const start = async (options: Parameters<typeof Harness.start>[0] = {}, profiles = profiler()) => {
    all.push(profiles);
    return { profiles, harness: await Harness.start(options, profiles) };
  };

  test('is not there on a node that is not to be profiled', async () => {
    await using harness = await Harness.start();
    using client = await harness.connect();
    for (const method of ['POST', 'DELETE', 'GET']) {
      const { body, status } = await client.send(request(method, SHORT)).answer();
      assert.equal(status, 404);
      assert.match(body.toString(), /nothing at this path/);
    }
  });

  test('answers with the profile when its time is over', async () => {
    const { harness } = await start();
    await using _harness = harness;
    using client = await harness.connect();
    client.send(request('POST', '/v0/profile?kinds=cpu,heap,waits&durationMs=30'));
    const { body, headers, status } = await client.answer();
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'application/json');
    const profile = JSON.parse(body.toString()) as NodeProfile;
    assert.equal(profile.endedBy, 'time');
    assert.ok(profile.elapsedMs > 25);
    const [main] = profile.threads;
    assert.equal(main.name, 'main');
    assert.deepEqual(Object.keys(main.cpuProfile as object).sort(), [
      'endTime',
      'nodes',
      'samples',
      'startTime',
      'timeDeltas',
    ]);
    assert.ok(profile.cpu.userMs + profile.cpu.systemMs > 0);
    // The connection lives on.
    assert.equal((await client.send(request('GET', '/v0/status')).answer()).status, 200);
  });

  test('serves one at a time, ends it when asked, and then the next', async () => {
    const { harness } = await start();
    await using _harness = harness;
    using client = await harness.connect();
    using other = await harness.connect();
    client.send(request('POST', LONG));
    const answer = client.answer();
    await begun(client);
    const refused = await other.send(request('POST', SHORT)).answer();
    assert.equal(refused.status, 409);
    assert.match(refused.body.toString(), /profiled already.*DELETE/);
    assert.equal((await other.send(request('DELETE', '/v0/profile')).answer()).status, 202);
    const profile = JSON.parse((await answer).body.toString()) as NodeProfile;
    assert.equal(profile.endedBy, 'request');
    assert.equal((await other.send(request('DELETE', '/v0/profile')).answer()).status, 404);
    assert.equal((await other.send(request('POST', SHORT)).answer()).status, 200);
  });

  test('a client that goes away takes its profile with it', async () => {
    const { harness } = await start();
    await using _harness = harness;
    const ways = { destroyed: (socket: Socket) => socket.destroy(), reset: resetSocket };
    for (const [way, leave] of Object.entries(ways)) {
      const client = await harness.connect();
      client.send(request('POST', LONG));
      await begun(client);
      leave(client.socket);
      using other = await harness.connect();
      let status = 409;
      while (status === 409) status = (await other.send(request('POST', SHORT)).answer()).status;
      assert.equal(status, 200, way);
    }
  });

  test('a node that stops cancels the profile, and does not wait for its client', async () => {
    const { harness, profiles } = await start();
    using client = await harness.connect();
    client.send(request('POST', LONG));
    await begun(client);
    await profiles.close();
    await harness.drain();
    await client.closed;
    await assert.rejects(
      profiles.begin({ kinds: [], durationMs: 10, cpuIntervalMs: 1, heapIntervalBytes: 1024 }),
      { code: 'DRAINING' },
    );
  });

  test('is for programs on the same machine that no foreign page has sent', async (t) => {
    const { harness } = await start();
    await using _harness = harness;
    using client = await harness.connect();
    const page = await client.send(request('POST', LONG, 'Origin: http://evil.example')).answer();
    assert.equal(page.status, 403);
    const rebound = 'POST /v0/profile HTTP/1.1\r\nHost: evil.example\r\n\r\n';
    assert.equal((await client.send(rebound).answer()).status, 421);
    // Node tells of each request before it is served.
    const comeFromAfar = (message: unknown): void => {
      Object.defineProperty((message as { socket: object }).socket, 'remoteAddress', { value: '10.1.2.3' });
    };
    subscribe('http.server.request.start', comeFromAfar);
    t.after(() => unsubscribe('http.server.request.start', comeFromAfar));
    for (const method of ['POST', 'DELETE']) {
      const far = await client.send(request(method, LONG)).answer();
      assert.equal(far.status, 403);
      assert.match(far.body.toString(), /on its own machine alone/);
    }
  });

  test('what a proxy on the same machine passes on may come from anybody, and is refused', async () => {
    const { harness } = await start();
    await using _harness = harness;
    using client = await harness.connect();
    const strangers: readonly (readonly [string, RegExp])[] = [
      // Names that --allow-host lets in lead here from elsewhere.
      ['Host: test', /use its loopback address/],
      ['Host: test:80', /use its loopback address/],
      ...['Forwarded: for=10.1.2.3', 'Via: 1.1 proxy', 'X-Real-IP: 10.1.2.3', 'X-Forwarded-For: 10.1.2.3']
        .concat('x-forwarded-proto: https')
        .map((header) => [`Host: localhost\r\n${header}`, /come through a proxy/] as const),
    ];
    for (const [headers, sentence] of strangers) {
      for (const method of ['POST', 'DELETE']) {
        client.send(`${method} ${LONG} HTTP/1.1\r\n${headers}\r\n\r\n`);
        const { body, status } = await client.answer();
        assert.equal(status, 403, headers);
        assert.match(body.toString(), sentence);
      }
    }
    const [named, meant] = ['http://test', 'http://127.0.0.1'];
    for (const [target, host] of [
      [named, '127.0.0.1'],
      [meant, 'test'],
    ]) {
      client.send(`POST ${target}${LONG} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal((await client.answer()).status, 403, `${target} of ${host}`);
    }
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:1', 'node-1.localhost']) {
      client.send(`POST ${SHORT} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal((await client.answer()).status, 200, host);
    }
  });

  test('HTTP/1.0, which has no chunks and needs no Host, is refused', async () => {
    const { harness } = await start();
    await using _harness = harness;
    for (const method of ['POST', 'DELETE']) {
      for (const host of ['', 'Host: 127.0.0.1\r\n']) {
        using client = await harness.connect();
        const { body, status } = await client.send(`${method} ${SHORT} HTTP/1.0\r\n${host}\r\n`).answer();
        assert.equal(status, 400);
        assert.match(body.toString(), /use HTTP\/1\.1/);
      }
    }
  });

  test('a client that does not read is cut, and until then no other profile begins', async () => {
    const profiles = profiler([threadOf(32e6)]);
    const { harness } = await start({ rangeTimeoutMs: 500 }, profiles);
    await using _harness = harness;
    using client = await harness.connect();
    using other = await harness.connect();
    client.send(request('POST', '/v0/profile?kinds=cpu&durationMs=10'));
    await begun(client);
    client.socket.pause();
    const statusOf = async (method: string): Promise<number> =>
      (await other.send(request(method, SHORT)).answer()).status;
    let status = 202;
    while (status === 202) status = await statusOf('DELETE');
    assert.equal(status, 404, 'it is under way no more');
    status = await statusOf('POST');
    assert.equal(status, 409, 'but its document is not sent');
    while (status === 409) status = await statusOf('POST');
    assert.equal(status, 200);
    client.socket.resume();
    assert.equal((await client.closed)?.code, 'ECONNRESET');
  });

  test('a profile behind another answer of a connection that breaks is over', async () => {
    const profiles = profiler();
    all.push(profiles);
    const hasBegun = Promise.withResolvers<void>();
    const service: ProfileService = {
      begin: async (asked) => {
        const running = await profiles.begin(asked);
        hasBegun.resolve();
        return running;
      },
      end: () => profiles.end(),
    };
    await using harness = await Harness.start({}, service);
    harness.entities.behaviour = () => undefined;
    const client = await harness.connect();
    client.send(request('GET', '/v0/entity?id=held'), request('POST', LONG));
    await hasBegun.promise;
    using other = await harness.connect();
    const statusOf = async (): Promise<number> => (await other.send(request('POST', SHORT)).answer()).status;
    assert.equal(await statusOf(), 409);
    resetSocket(client.socket);
    let status = 409;
    while (status === 409) status = await statusOf();
    assert.equal(status, 200);
  });

  test('names what is wrong in the query', async () => {
    const { harness } = await start();
    await using _harness = harness;
    using client = await harness.connect();
    const wrong = [
      ['kinds=locks', /kinds must be some of cpu,heap,waits/],
      ['durationMs=600001', /durationMs must be a whole number from 10 to 600000/],
      ['durationMs=1e3', /durationMs must be a whole number/],
      ['cpuIntervalMs=0', /cpuIntervalMs must be a whole number from 1/],
      ['kind=cpu', /no query parameter "kind" here: there are kinds, durationMs, /],
      ['durationMs=10&durationMs=20', /"durationMs" is given more than once/],
      ['heapIntervalBytes=-1', /heapIntervalBytes must be a whole number from 1024/],
    ] as const;
    for (const [query, sentence] of wrong) {
      const { body, status } = await client.send(request('POST', `/v0/profile?${query}`)).answer();
      assert.equal(status, 400, query);
      assert.match(body.toString(), sentence);
    }
    const ended = await client.send(request('DELETE', '/v0/profile?kind=cpu')).answer();
    assert.equal(ended.status, 400);
    const { headers, status } = await client.send(request('GET', SHORT)).answer();
    assert.equal(status, 405);
    assert.equal(headers.get('allow'), 'POST, DELETE');
  });
});

/** Resolves once its profile is under way: the head of the answer has come. */
async function begun(client: RawClient): Promise<void> {
  await once(client.socket, 'data');
}

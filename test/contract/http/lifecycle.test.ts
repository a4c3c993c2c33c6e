import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EntityCall, Harness, request, until } from './harness.ts';
import { RawClient } from './raw-client.ts';

const GET = request('GET', '/v0/entity?id=a');

test('status is what the node says of itself, or 500 when it fails to', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  await client.send(GET).answer();
  const answer = await client.send(request('GET', '/v0/status')).answer();
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.deepEqual(JSON.parse(answer.body.toString()), { node: 'n1', state: 'serving' });
  harness.status.status = () => {
    throw new Error('no figures');
  };
  assert.equal((await client.send(request('GET', '/v0/status')).answer()).status, 500);
});

test('a busy port is an error that names it and says what to do', async () => {
  await using harness = await Harness.start();
  const { port } = harness.server;
  await assert.rejects(Harness.start({ port }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ADDRESS_IN_USE');
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} is in use already: .*--port`));
    return true;
  });
  await assert.rejects(Harness.start({ host: '192.0.2.1' }), { code: 'INVALID_CONFIG', message: /--host/ });
});

test('a drain ends what is in flight, refuses what is new, and closes', async () => {
  await using harness = await Harness.start();
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  harness.ranges.entries = [['k', 'v']];
  const gate = Promise.withResolvers<void>();
  harness.ranges.beforePage = () => gate.promise;
  using idle = await harness.connect();
  await idle.send(request('GET', '/v0/nothing')).answer();
  using busy = await harness.connect();
  using scanning = await harness.connect();
  using open = await harness.connect();
  using other = await harness.connect();
  busy.send(GET);
  scanning.send(request('GET', '/v0/entities?start='));
  open.send('GET /v0/entity?id=b HT');
  other.send('GET /v0/sta');
  await until(() => held.length === 1 && harness.admission.figures.rangesInFlight === 1);

  const { port } = harness.server;
  let isDrained = false;
  const drained = harness.drain().then(() => {
    isDrained = true;
  });
  await idle.closed;
  const refused = await open.send('TP/1.1\r\nHost: test\r\n\r\n').answer();
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal(refused.headers.get('connection'), 'close');
  await open.closed;
  const status = await other.send('tus HTTP/1.1\r\nHost: test\r\n\r\n').answer();
  assert.equal(status.status, 503);
  assert.equal(JSON.parse(status.body.toString()).node, 'n1');
  using late = await harness.connect();
  assert.equal((await late.send(GET).answer()).status, 503);
  assert.equal(isDrained, false);

  harness.entities.settle(held[0]);
  const answer = await busy.answer();
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('connection'), 'close');
  assert.equal(isDrained, false);
  gate.resolve();
  assert.equal((await scanning.answer()).chunks.length, 1);
  await drained;
  await assert.rejects(RawClient.connect(port));
});

test('a drain sends an answer to its end', async () => {
  await using harness = await Harness.start();
  // More than the system takes for somebody who does not read.
  const value = Buffer.alloc(16 * 1024 * 1024, 'value');
  harness.entities.stored.set('a', value);
  using client = await harness.connect();
  using idle = await harness.connect();
  await idle.send(request('GET', '/v0/nothing')).answer();
  client.socket.pause();
  client.send(GET);
  await until(() => harness.entities.calls.length === 1);
  const drained = harness.drain();
  await idle.closed;
  client.socket.resume();
  assert.ok((await client.answer()).body.equals(value));
  await drained;
  assert.equal((await client.rest()).length, 0);
});

test('a drain waits for a body that is on its way, and stores it', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  client.send(request('PUT', '/v0/entity?id=a', 'Content-Length: 5'), 'val');
  await until(() => harness.admission.figures.requestsInFlight === 1);
  const drained = harness.drain();
  client.send('ue');
  assert.equal((await client.answer()).status, 201);
  await drained;
  assert.equal(harness.entities.stored.get('a')?.toString(), 'value');
});

test('a new PUT while draining gets its 503, though its body comes behind', async () => {
  await using harness = await Harness.start();
  using busy = await harness.connect();
  using client = await harness.connect();
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  busy.send(GET);
  client.send('PUT /v0/entity?id=a HTTP/1.1\r\n');
  await until(() => held.length === 1);
  const drained = harness.drain();
  client.send('Host: test\r\nContent-Length: 5\r\n\r\n');
  assert.equal((await client.answer()).status, 503);
  client.send('value');
  assert.equal((await client.rest()).length, 0);
  harness.entities.settle(held[0]);
  await drained;
  assert.equal(held.length, 1);
});

test('an abort ends a drain at once, whatever is left', async () => {
  await using harness = await Harness.start();
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  harness.ranges.beforePage = (call) =>
    new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(new Error('aborted'))));
  using busy = await harness.connect();
  using scanning = await harness.connect();
  busy.send(GET);
  scanning.send(request('GET', '/v0/entities?start='));
  await until(() => held.length === 1 && harness.admission.figures.rangesInFlight === 1);
  const impatience = new AbortController();
  const drained = harness.drain(impatience.signal);
  impatience.abort();
  await drained;
  await busy.closed;
  // An outcome that comes later finds nobody.
  harness.entities.settle(held[0]);
  await until(() => harness.isIdle);
});

test('a drain without connections is over at once, and a second one is the same', async () => {
  await using harness = await Harness.start();
  const first = harness.drain();
  await Promise.all([first, harness.drain()]);
});

test('connections that send no request in time are told so, or closed', async () => {
  await using harness = await Harness.start({
    headersTimeoutMs: 50,
    bodyTimeoutMs: 60,
    keepAliveTimeoutMs: 50,
  });
  using slow = await harness.connect();
  slow.send('GET /v0/entity?id=a HTTP/1.1\r\nHo');
  assert.equal((await slow.answer()).status, 408);
  using silent = await harness.connect();
  assert.equal((await silent.answer()).status, 408);
  using idle = await harness.connect();
  assert.equal((await idle.send(GET).answer()).status, 404);
  assert.equal(await idle.closed, null);
});

test('headers beyond their bound are 431, and what is no HTTP is 400', async () => {
  await using harness = await Harness.start();
  const cases: [string | Buffer, number][] = [
    [request('GET', '/v0/entity?id=a', `X-Long: ${'x'.repeat(40_000)}`), 431],
    [request('GET', `/v0/entity?id=${'k'.repeat(40_000)}`), 431],
    ['nonsense\r\n\r\n', 400],
    [Buffer.alloc(100), 400],
    [request('GET', '/v0/entity?id=é'), 400],
    [
      'PUT /v0/entity?id=a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['PUT /v0/entity?id=a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['PUT /v0/entity?id=a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', 400],
    ['GET /v0/entity?id=a HTTP/9.9\r\nHost: a\r\n\r\n', 400],
  ];
  for (const [bytes, status] of cases) {
    using client = await harness.connect();
    const answer = await client.send(bytes).answer();
    assert.equal(answer.status, status, String(bytes).slice(0, 60));
    assert.ok(answer.body.length > 10);
    assert.equal(answer.headers.get('connection'), 'close');
  }
  assert.equal(harness.entities.calls.length, 0);
});

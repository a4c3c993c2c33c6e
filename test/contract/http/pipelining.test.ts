import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FIRST_REQUESTS_IN_WORK,
  MAX_PIPELINED_REQUESTS,
  MAX_REQUESTS_IN_WORK,
} from '../../../src/admission/client-connection.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { type EntityCall, Harness, request, until } from './harness.ts';

test('pipelined requests are answered in order, whichever is ready first', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  client.send(
    request('PUT', '/v0/entity?id=a', 'Content-Length: 1'),
    'A',
    request('GET', '/v0/entity?id=a'),
    request('GET', '/v0/entity'),
    request('DELETE', '/v0/entity?id=a'),
    request('GET', '/v0/status'),
  );
  await until(() => held.length === 3);
  const [put, get, del] = ['PUT', 'GET', 'DELETE'].map(
    (method) => held.find((call) => call.method === method)!,
  );
  harness.entities.stored.set('a', Buffer.from('A'));
  harness.entities.settle(get);
  harness.entities.settle(del);
  harness.entities.settle(put);
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) statuses.push((await client.answer()).status);
  assert.deepEqual(statuses, [201, 200, 400, 202, 200]);
});

test('a connection may owe so many answers, and no more', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  const get = request('GET', '/v0/entity?id=a');
  client.send(get.repeat(MAX_PIPELINED_REQUESTS + 10));
  await until(() => harness.admission.figures.refused === 10);
  // Of what it may owe so many are in work, and each that is answered lets one more begin.
  assert.equal(held.length, FIRST_REQUESTS_IN_WORK);
  using other = await harness.connect();
  other.send(get);
  await until(() => held.length === FIRST_REQUESTS_IN_WORK + 1);
  for (let i = 0; i < MAX_PIPELINED_REQUESTS + 1; i++) {
    await until(() => held.length > i);
    assert.ok(held.length - i <= MAX_REQUESTS_IN_WORK + 1);
    harness.entities.settle(held[i]);
  }
  for (let i = 0; i < MAX_PIPELINED_REQUESTS; i++) assert.equal((await client.answer()).status, 404);
  for (let i = 0; i < 10; i++) assert.equal((await client.answer()).status, 503);
  assert.equal((await other.answer()).status, 404);
});

test('unread answers of a client keep its other requests from being begun, and are dropped when the client goes', async () => {
  await using harness = await Harness.start();
  harness.entities.stored.set('a', Buffer.alloc(1024 * 1024));
  const client = await harness.connect();
  client.socket.pause();
  // The first that was ever read shows how long values are.
  client.send(request('GET', '/v0/entity?id=a').repeat(100));
  await until(() => harness.entities.calls.length > 0);
  using other = await harness.connect();
  for (let i = 0; i < 100; i++)
    assert.equal((await other.send(request('GET', '/v0/entity?id=b')).answer()).status, 404);
  const begun = harness.entities.calls.filter(({ key }) => key === 'a').length;
  assert.ok(begun <= MAX_REQUESTS_IN_WORK, `${begun} were begun for a client that reads nothing`);

  client.socket.destroy();
  await until(() => harness.isIdle);
  assert.equal(harness.entities.calls.filter(({ key }) => key === 'a').length, begun);
});

test('a thousand requests at once are served as their answers leave', async () => {
  await using harness = await Harness.start();
  harness.entities.stored.set('a', Buffer.alloc(4000));
  using client = await harness.connect();
  client.send(request('GET', '/v0/entity?id=a').repeat(1000));
  for (let i = 0; i < 1000; i++) assert.equal((await client.answer()).body.length, 4000);
});

test('bytes that are no request are answered after the answers that are owed', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  client.send(request('GET', '/v0/entity?id=a').repeat(2), 'nonsense\r\n\r\n');
  await until(() => held.length === 2);
  for (const call of held) harness.entities.settle(call);
  assert.equal((await client.answer()).status, 404);
  assert.equal((await client.answer()).status, 404);
  const last = await client.answer();
  assert.equal(last.status, 400);
  assert.equal(last.headers.get('connection'), 'close');
  assert.equal((await client.rest()).length, 0);
});

test('a broken body spoils its own request, not those before it that came in the same packet', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const put = (id: string, ...headers: string[]): string => request('PUT', `/v0/entity?id=${id}`, ...headers);
  client.send(
    `${put('a', 'Content-Length: 1')}A`,
    `${put('b', 'Transfer-Encoding: chunked')}1\r\nB\r\n0\r\n\r\n`,
    `${put('c', 'Transfer-Encoding: chunked')}1\r\nC\r\nnonsense`,
  );
  client.socket.end();
  for (const status of [201, 201, 400]) assert.equal((await client.answer()).status, status);
  await client.closed;
  assert.deepEqual([...harness.entities.stored.keys()], ['a', 'b']);
  assert.ok(harness.isIdle);
});

test('a request with a body, beyond the number allowed, is answered once, however its body ends', async () => {
  for (const end of ['', 'zzzz\r\n']) {
    await using harness = await Harness.start({ maxRequestsInFlight: 4096 });
    const held: EntityCall[] = [];
    harness.entities.behaviour = (call) => void held.push(call);
    using client = await harness.connect();
    const many = request('DELETE', '/v0/entity?id=a').repeat(MAX_PIPELINED_REQUESTS);
    const framing = end === '' ? 'Content-Length: 100' : 'Transfer-Encoding: chunked';
    const begun = end === '' ? 'short' : '5\r\nshort\r\n';
    client.send(many, request('PUT', '/v0/entity?id=b', framing), begun);
    await until(() => harness.admission.figures.refused > 0);
    // Its body is cut, or continues with bytes that are none of it, while its answer waits behind all others.
    if (end === '') client.socket.end();
    else client.send(end);
    const answering = setInterval(() => {
      for (const call of held.splice(0)) harness.entities.settle(call);
    }, 1);
    try {
      for (let i = 0; i < MAX_PIPELINED_REQUESTS; i++) assert.equal((await client.answer()).status, 202);
      assert.equal((await client.answer()).status, 503);
      await client.closed;
    } finally {
      clearInterval(answering);
    }
    await assert.rejects(client.answer(), 'nothing is said behind the one answer');
    using other = await harness.connect();
    assert.equal((await other.send(request('GET', '/v0/status')).answer()).status, 200);
    await until(() => harness.isIdle);
  }
});

test('a break belongs to the body of the last request that was parsed, whichever body is being read', async () => {
  const MIB = 1024 * 1024;
  const ANSWER_TIMEOUT_MS = 20_000;
  const limits = { maxValueBytes: 8 * MIB, answerTimeoutMs: ANSWER_TIMEOUT_MS };
  await using harness = await Harness.start(limits, null, new FakeClock());
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => {
    if (call.key.startsWith('large')) held.push(call);
    else harness.entities.settle(call);
  };
  const clients = [await harness.connect(), await harness.connect(), await harness.connect()];
  for (const [i, client] of clients.entries()) {
    client.send(
      request('PUT', `/v0/entity?id=large${i}`, `Content-Length: ${5 * MIB}`),
      Buffer.alloc(5 * MIB),
    );
    await until(() => harness.admission.figures.requestsInFlight === i + 1);
  }
  await until(() => held.length > 0);
  using client = await harness.connect();
  const first = request('PUT', '/v0/entity?id=a', 'Expect: 100-continue', 'Content-Length: 20000');
  const second = request('PUT', '/v0/entity?id=b', 'Transfer-Encoding: chunked');
  client.send(first, Buffer.alloc(20_000), second, '3\r\nabc\r\n');
  await until(() => harness.admission.figures.requestsInFlight >= 4);
  const settling = setInterval(() => {
    for (const call of held.splice(0)) harness.entities.settle(call);
  }, 1);
  try {
    await until(() => harness.entities.stored.has('a'));
  } finally {
    clearInterval(settling);
  }
  const sentMs = performance.now();
  client.send('zzzz\r\n');
  let answer = await client.answer();
  while (answer.status < 400) answer = await client.answer();
  assert.equal(answer.status, 400);
  assert.ok(performance.now() - sentMs < ANSWER_TIMEOUT_MS / 2, 'at once, and not when its time is up');
  for (const other of clients) other.socket.destroy();
});

/** Requests that wait in line: which are served, which are refused, and what of them is read meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SMALL_VALUE_BYTES } from '../../../src/admission/admission.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { type EntityCall, Harness, request, until } from './harness.ts';
import type { RawAnswer, RawClient } from './raw-client.ts';

const MIB = 2 ** 20;
const VALUE = Buffer.alloc(MIB, 'v');
/** More than the kernel takes for a socket nobody reads; the client would never be done with it. */
const LARGE = Buffer.alloc(16 * MIB, 'w');
const LARGE_VALUES = { maxValueBytes: LARGE.length, answerTimeoutMs: 10_000 };

function put(client: RawClient, key: string, value: Buffer): void {
  client.send(request('PUT', `/v0/entity?id=${key}`, `Content-Length: ${value.length}`), value);
}

async function clientsOf(harness: Harness, count: number): Promise<RawClient[]> {
  return await Promise.all(Array.from({ length: count }, () => harness.connect()));
}

test('large values are taken a few at a time, in the order they came; the others stay with their clients', async () => {
  const clock = new FakeClock();
  await using harness = await Harness.start(LARGE_VALUES, null, clock);
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  const clients = await clientsOf(harness, 4);
  const values = [LARGE, VALUE, VALUE, VALUE];
  for (const [i, client] of clients.entries()) {
    put(client, `key${i}`, values[i]);
    await until(() => harness.admission.figures.requestsInFlight === i + 1);
  }
  await until(() => held.length === 2);
  // What could be read before its turn has been read by the time that others, which came later, are served.
  using other = await harness.connect();
  for (let i = 0; i < 100; i++)
    assert.equal((await other.send(request('GET', '/v0/status')).answer()).status, 200);
  // The beginnings of the others are here, because they came with the heads of the requests.
  const { bytesInFlight } = harness.admission.figures;
  const begunBytes = bytesInFlight - LARGE.length - VALUE.length;
  assert.ok(
    begunBytes >= 2 * SMALL_VALUE_BYTES && begunBytes <= 2 * 2 ** 17,
    `${begunBytes} bytes of bodies that wait`,
  );
  assert.equal(held.length, 2);

  clock.advance(5);
  for (let i = 0; i < 4; i++) {
    await until(() => held.length > i);
    harness.entities.settle(held[i]);
  }
  for (const client of clients) assert.equal((await client.answer()).status, 201);
  assert.equal(held[1].waitedMs, 0);
  assert.deepEqual([held[2].waitedMs, held[3].waitedMs], [5, 5], 'the wait is part of its time');
  await until(() => harness.isIdle);
  for (const client of clients) client.socket.destroy();
});

test('a request that would wait longer than it has time is refused, and work goes on as soon as there is room', async () => {
  await using harness = await Harness.start();
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  const clients = await clientsOf(harness, 60);
  const refused: RawAnswer[] = [];
  const stored: RawAnswer[] = [];
  const answers = clients.map(async (client, i) => {
    put(client, `key${i}`, VALUE);
    const answer = await client.answer();
    (answer.status === 201 ? stored : refused).push(answer);
  });
  // Some were refused at once, some in their turn, some after they had waited in vain: nobody serves them any more.
  await until(() => refused.length === 60 - held.length);
  assert.ok(held.length >= 7 && held.length <= 8, `${held.length} served at a time`);
  for (const answer of refused) {
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.match(answer.body.toString(), /has done nothing for this request: try again later/);
  }
  for (const call of held) harness.entities.settle(call);
  await Promise.all(answers);
  harness.entities.behaviour = null;
  using next = await harness.connect();
  put(next, 'next', VALUE);
  assert.equal((await next.answer()).status, 201);
  await until(() => harness.isIdle);
  for (const client of clients) client.socket.destroy();
});

test('a large body that comes slowly keeps no place from others, and is stored when it is whole', async () => {
  await using harness = await Harness.start();
  const slow = await clientsOf(harness, 20);
  for (const [i, client] of slow.entries()) {
    client.send(request('PUT', `/v0/entity?id=slow${i}`, `Content-Length: ${MIB}`), 'begun');
  }
  await until(() => harness.admission.figures.requestsInFlight === 20);
  using quick = await harness.connect();
  put(quick, 'quick', VALUE);
  assert.equal((await quick.answer()).status, 201);
  for (const client of slow.slice(0, 3)) client.send(VALUE.subarray('begun'.length));
  for (const client of slow.slice(0, 3)) assert.equal((await client.answer()).status, 201);
  assert.deepEqual([...harness.entities.stored.keys()].toSorted(), ['quick', 'slow0', 'slow1', 'slow2']);
  for (const client of slow) client.socket.destroy();
  await until(() => harness.isIdle);
});

test('small requests do not wait behind large ones', async () => {
  await using harness = await Harness.start();
  harness.entities.behaviour = (call) => {
    if (call.value.length < MIB) harness.entities.settle(call);
  };
  const clients = await clientsOf(harness, 20);
  for (const [i, client] of clients.entries()) put(client, `large${i}`, VALUE);
  using small = await harness.connect();
  put(small, 'small', Buffer.from('value'));
  assert.equal((await small.answer()).status, 201);
  assert.equal((await small.send(request('GET', '/v0/entity?id=small')).answer()).body.toString(), 'value');
  for (const client of clients) client.socket.destroy();
});

test('a client that is to be told to go on with its body is told when it is its turn', async () => {
  await using harness = await Harness.start(LARGE_VALUES, null, new FakeClock());
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  using first = await harness.connect();
  put(first, 'first', LARGE);
  using second = await harness.connect();
  put(second, 'second', VALUE);
  await until(() => held.length === 2);
  using third = await harness.connect();
  const headers = [`Content-Length: ${VALUE.length}`, 'Expect: 100-continue'];
  third.send(request('PUT', '/v0/entity?id=third', ...headers));
  await until(() => harness.admission.figures.requestsInFlight === 3);
  using other = await harness.connect();
  assert.equal((await other.send(request('GET', '/v0/status')).answer()).status, 200);
  assert.equal(third.socket.bytesRead, 0);
  for (const call of held) harness.entities.settle(call);
  assert.equal((await third.answer()).status, 100);
  third.send(VALUE);
  await until(() => held.length === 3);
  harness.entities.settle(held[2]);
  assert.equal((await third.answer()).status, 201);
});

test('a drain refuses at once those who wait for a refusal, and serves those in line', async () => {
  await using harness = await Harness.start(LARGE_VALUES, null, new FakeClock());
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  using first = await harness.connect();
  put(first, 'first', LARGE);
  await until(() => held.length === 1);
  using second = await harness.connect();
  put(second, 'second', Buffer.alloc(64 * 1024));
  await until(() => harness.admission.figures.requestsInFlight === 2);
  const drained = harness.drain();
  harness.entities.settle(held[0]);
  await until(() => held.length === 2);
  harness.entities.settle(held[1]);
  assert.equal((await first.answer()).status, 201);
  assert.equal((await second.answer()).status, 201);
  await drained;
});

test('connections that wait come in several a turn of the loop', async () => {
  await using harness = await Harness.start();
  const clients = await clientsOf(harness, 64);
  let turns = 0;
  while ((await harness.server.connections()) < 64) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  // One a turn would take 64.
  if (process.platform === 'linux') assert.ok(turns < 40, `${turns} turns`);
  for (const client of clients) client.socket.destroy();
});

test('a client that is refused before it has sent all of a large body gets the answer, also in a storm of refusals', async () => {
  await using harness = await Harness.start();
  const clients = await clientsOf(harness, 24);
  for (const client of clients) put(client, 'key', LARGE);
  for (const client of clients) {
    const answer = await client.answer();
    assert.equal(answer.status, 413);
    assert.equal(answer.headers.get('connection'), 'close');
  }
  // Few are read to their end; the others are cut, when they have had time to see their answer.
  await Promise.all(clients.map((client) => client.closed));
});

test('bodies that are announced and do not come keep no other body from being read to its end', async () => {
  await using harness = await Harness.start();
  const announcers = await clientsOf(harness, 8);
  for (const client of announcers)
    client.send(request('PUT', '/v0/entity?id=a', 'Content-Length: 99999999999'));
  for (const client of announcers) assert.equal((await client.answer()).status, 413);
  for (const client of announcers) await client.closed;
  // A client that reads only when it has written everything, which is more than the kernel takes unread.
  using client = await harness.connect();
  client.socket.pause();
  const value = Buffer.alloc(12 * 1024 * 1024);
  client.send(request('PUT', '/v0/entity?id=b', `Content-Length: ${value.length}`));
  await new Promise<void>((resolve, reject) => {
    client.socket.write(value, (error) => (error ? reject(error) : resolve()));
  });
  client.socket.resume();
  assert.equal((await client.answer()).status, 413);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_SCANS } from '../../../src/admission/scan-slots.ts';
import { type EntityCall, Harness, request, until } from './harness.ts';

test('beyond the bound of requests there is 503 at once, and room again when one ends', async () => {
  await using harness = await Harness.start({ maxRequestsInFlight: 2 });
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  using first = await harness.connect();
  using second = await harness.connect();
  first.send(request('GET', '/v0/entity?id=a').repeat(2));
  await until(() => held.length === 2);

  const refused = await second.send(request('GET', '/v0/entity?id=a')).answer();
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.match(refused.body.toString(), /try again later/);
  // Before the body is there, and the connection lives on.
  second.send(request('PUT', '/v0/entity?id=a', 'Content-Length: 5'));
  assert.equal((await second.answer()).status, 503);
  assert.equal((await second.send('value', request('GET', '/v0/status')).answer()).status, 200);

  harness.entities.settle(held[0]);
  await first.answer();
  second.send(request('GET', '/v0/entity?id=a'));
  await until(() => held.length === 3);
  const { lines, scans, ...figures } = harness.admission.figures;
  const expected = { requestsInFlight: 2, bytesInFlight: 0, rangesInFlight: 0, admitted: 3, refused: 2 };
  assert.deepEqual(figures, expected);
  assert.deepEqual([lines.reads.served, scans.streaming], [2, 0]);
});

test('the bytes of bodies are bounded, declared or not', async () => {
  await using harness = await Harness.start({ maxBytesInFlight: 100_000, maxValueBytes: 100_000 });
  using holder = await harness.connect();
  using client = await harness.connect();
  const held = Buffer.alloc(60_000);
  holder.send(request('PUT', '/v0/entity?id=a', 'Content-Length: 60001'), held);
  await until(() => harness.admission.figures.bytesInFlight === held.length);

  // An announcement takes nothing from anybody: only bytes that have come count.
  using announcer = await harness.connect();
  announcer.send(request('PUT', '/v0/entity?id=n', 'Content-Length: 100000'), 'begun');
  await until(() => harness.admission.figures.bytesInFlight === held.length + 'begun'.length);
  client.send(request('PUT', '/v0/entity?id=b', 'Content-Length: 39995'), Buffer.alloc(39_995));
  assert.equal((await client.answer()).status, 201);
  client.send(request('PUT', '/v0/entity?id=b', 'Content-Length: 39996'), Buffer.alloc(39_996));
  assert.equal((await client.answer()).status, 503);
  client.send(request('PUT', '/v0/entity?id=c', 'Transfer-Encoding: chunked'));
  for (let i = 0; i < 5; i++) client.send('2710\r\n', Buffer.alloc(10_000), '\r\n');
  assert.equal((await client.answer()).status, 503);

  announcer.socket.destroy();
  holder.send('!');
  assert.equal((await holder.answer()).status, 201);
  assert.deepEqual([...harness.entities.stored.keys()], ['b', 'a']);
  await until(() => harness.isIdle);
});

test('when there is little room, bodies stay with their clients until it is their turn', async () => {
  const MIB = 1024 * 1024;
  await using harness = await Harness.start({
    maxBytesInFlight: 7.5 * MIB,
    maxValueBytes: MIB,
    answerTimeoutMs: 60_000,
  });
  const held: EntityCall[] = [];
  harness.entities.behaviour = (call) => void held.push(call);
  const value = Buffer.alloc(MIB);
  const clients = await Promise.all(Array.from({ length: 21 }, () => harness.connect()));
  for (const [i, client] of clients.entries()) {
    client.send(request('PUT', `/v0/entity?id=${i}`, `Content-Length: ${MIB}`), value);
    // As many as are served at a time; there is no room for the beginnings of the others' bodies.
    await until(() => harness.admission.figures.requestsInFlight === i + 1);
    if (i < 7) await until(() => held.length === i + 1);
  }
  // Everything that has come is read by then.
  using other = await harness.connect();
  for (let i = 0; i < 5; i++) await other.send(request('GET', '/v0/status')).answer();
  const answers = clients.map((client) => client.answer());
  for (let i = 0; i < clients.length; i++) {
    await until(() => held.length > i);
    assert.ok(harness.admission.figures.bytesInFlight <= 7.5 * MIB);
    harness.entities.settle(held[i]);
  }
  assert.deepEqual(new Set((await Promise.all(answers)).map(({ status }) => status)), new Set([201]));
  assert.equal(harness.admission.figures.refused, 0);
  await until(() => harness.isIdle);
  for (const client of clients) client.socket.destroy();
});

test('scans are bounded, and requests go on beside them', async () => {
  await using harness = await Harness.start();
  const gate = Promise.withResolvers<void>();
  harness.ranges.beforePage = () => gate.promise;
  const clients = await Promise.all(Array.from({ length: MAX_SCANS }, () => harness.connect()));
  for (const client of clients) client.send(request('GET', '/v0/entities?start=a'));
  await until(() => harness.admission.figures.rangesInFlight === MAX_SCANS);

  using other = await harness.connect();
  const refused = await other.send(request('GET', '/v0/entities?start=a')).answer();
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal((await other.send(request('GET', '/v0/entity?id=a')).answer()).status, 404);

  gate.resolve();
  for (const client of clients) assert.equal((await client.answer()).status, 200);
  await until(() => harness.isIdle);
  assert.equal((await other.send(request('GET', '/v0/entities?start=a')).answer()).status, 200);
  for (const client of clients) client.socket.destroy();
});

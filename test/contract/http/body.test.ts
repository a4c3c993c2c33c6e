import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resetSocket } from '../../../src/reset-socket.ts';
import { Harness, request, until } from './harness.ts';

const TARGET = '/v0/entity?id=k';
const CHUNKED = request('PUT', TARGET, 'Transfer-Encoding: chunked');

function ofLength(length: number, ...headers: string[]): string {
  return request('PUT', TARGET, `Content-Length: ${length}`, ...headers);
}

test('a value as long as allowed is stored whole, however it is cut on its way', async () => {
  await using harness = await Harness.start({ maxValueBytes: 300_000 });
  using client = await harness.connect();
  const value = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i * 7));
  const chunk = (start: number, end: number): Buffer[] => [
    Buffer.from(`${(end - start).toString(16)};ext=1\r\n`),
    value.subarray(start, end),
    Buffer.from('\r\n'),
  ];
  const ways = [
    [ofLength(value.length), value],
    [ofLength(value.length), value.subarray(0, 1), value.subarray(1)],
    [CHUNKED, ...chunk(0, 300_000), '0\r\n\r\n'],
    [CHUNKED, ...chunk(0, 1), ...chunk(1, 5000), ...chunk(5000, 300_000), '0\r\nTrailer: x\r\n\r\n'],
  ];
  for (const way of ways) {
    harness.entities.stored.clear();
    for (const part of way) {
      client.send(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await client.answer()).status, 201);
    assert.ok(harness.entities.stored.get('k')?.equals(value));
  }
  assert.ok(harness.isIdle);
});

test('many small chunks make one value', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  client.send(CHUNKED, ...Array.from({ length: 20_000 }, () => '1\r\nx\r\n'), '0\r\n\r\n');
  assert.equal((await client.answer()).status, 201);
  assert.equal(harness.entities.stored.get('k')?.toString(), 'x'.repeat(20_000));
});

test('a Content-Length above the limit is refused before the body is there, and the connection lives on', async () => {
  await using harness = await Harness.start({ maxValueBytes: 1000 });
  using client = await harness.connect();
  client.send(ofLength(1001));
  const refused = await client.answer();
  assert.equal(refused.status, 413);
  assert.match(refused.body.toString(), /at most 1000 bytes/);
  client.send(Buffer.alloc(1001), ofLength(1000), Buffer.alloc(1000));
  assert.equal((await client.answer()).status, 201);
});

test('a client that is busy sending a large body gets its 413, and then the end of the connection', async () => {
  await using harness = await Harness.start({ maxValueBytes: 1000 });
  for (const head of [ofLength(8_000_000), CHUNKED]) {
    using client = await harness.connect();
    client.send(head, head === CHUNKED ? `${(8_000_000).toString(16)}\r\n` : '', Buffer.alloc(8_000_000));
    if (head === CHUNKED) client.send('\r\n0\r\n\r\n');
    // Nothing of this may be taken for a request.
    client.send(request('DELETE', TARGET));
    const refused = await client.answer();
    assert.equal(refused.status, 413);
    assert.equal(refused.headers.get('connection'), 'close');
    assert.equal((await client.rest()).toString(), '');
  }
  assert.equal(harness.entities.calls.length, 0);
  assert.ok(harness.isIdle);
});

test('a client that is refused and goes quiet is not waited for long', async () => {
  await using harness = await Harness.start({ maxValueBytes: 1000 });
  using client = await harness.connect();
  client.send(ofLength(8_000_000), 'some');
  assert.equal((await client.answer()).status, 413);
  await client.closed;
});

test('a connection that is cut within a body stores nothing and holds nothing', async () => {
  await using harness = await Harness.start();
  const cuts: ((client: Awaited<ReturnType<Harness['connect']>>) => void)[] = [
    (client) => client.socket.destroy(),
    (client) => resetSocket(client.socket),
    (client) => client.socket.end(),
  ];
  for (const cut of cuts) {
    for (const head of [ofLength(100), `${CHUNKED}64\r\n`]) {
      using client = await harness.connect();
      client.send(head, 'x'.repeat(99));
      await until(() => harness.admission.figures.requestsInFlight === 1);
      await until(() => harness.admission.figures.bytesInFlight >= 99);
      cut(client);
      await until(() => harness.isIdle);
      await client.closed;
    }
  }
  assert.equal(harness.entities.calls.length, 0);
});

test('a body that stops being HTTP is a 400 of its own request', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  client.send(request('GET', TARGET), CHUNKED, '3\r\nabc\r\nnot a length\r\n');
  assert.equal((await client.answer()).status, 404);
  const broken = await client.answer();
  assert.equal(broken.status, 400);
  assert.match(broken.body.toString(), /not HTTP/);
  client.socket.end();
  assert.equal((await client.rest()).length, 0);
  assert.deepEqual(
    harness.entities.calls.map(({ method }) => method),
    ['GET'],
  );
  await until(() => harness.isIdle);
});

test('a body that comes too slowly is a 408 and stores nothing', async () => {
  await using harness = await Harness.start({ bodyTimeoutMs: 60, headersTimeoutMs: 60 });
  using client = await harness.connect();
  client.send(ofLength(10), 'slow');
  assert.equal((await client.answer()).status, 408);
  assert.equal(harness.entities.calls.length, 0);
  assert.ok(harness.isIdle);
});

test('100-continue is said when the body is wanted, and a final answer given when it is not', async () => {
  await using harness = await Harness.start({ maxValueBytes: 1000 });
  using client = await harness.connect();
  client.send(ofLength(5, 'Expect: 100-continue'));
  assert.equal((await client.answer()).status, 100);
  client.send('value');
  assert.equal((await client.answer()).status, 201);

  client.send(ofLength(1001, 'Expect: 100-continue'));
  const refused = await client.answer();
  assert.equal(refused.status, 413);
  assert.equal(refused.headers.get('connection'), 'close');
  await client.closed;

  using other = await harness.connect();
  other.send(request('PUT', '/nowhere', 'Content-Length: 5', 'Expect: 100-continue'));
  assert.equal((await other.answer()).status, 404);
});

test('a transfer coding other than chunked is not stored as if it were the value', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  client.send(request('PUT', TARGET, 'Transfer-Encoding: gzip, chunked'), '3\r\nabc\r\n0\r\n\r\n');
  assert.equal((await client.answer()).status, 501);
  assert.equal(harness.entities.calls.length, 0);
});

test('a Content-Length counts wherever it stands among the headers', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const many = Array.from({ length: 5000 }, () => 'a:');
  client.send(request('PUT', TARGET, ...many, 'Content-Length: 5'), 'value');
  assert.equal((await client.answer()).status, 201);
  assert.equal(harness.entities.stored.get('k')?.toString(), 'value');
});

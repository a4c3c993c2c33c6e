import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpackMultiple } from 'msgpackr/unpack';
import { QuorateError } from '../../../src/errors.ts';
import { Harness, request, until } from './harness.ts';

const ENTRIES = Array.from({ length: 100 }, (_, i): [string, string] => [
  `key${String(i).padStart(3, '0')}`,
  'v'.repeat(i),
]);
const ALL = request('GET', '/v0/entities?start=');

test('each chunk is one entry, in order, and the connection lives on', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = ENTRIES;
  using client = await harness.connect();
  for (const entriesPerPage of [1, 7, 1000]) {
    harness.ranges.entriesPerPage = entriesPerPage;
    const answer = await client.send(ALL).answer();
    assert.equal(answer.status, 200);
    assert.deepEqual(
      answer.chunks.map(String),
      ENTRIES.map(([key, value]) => `${key}\n${value}`),
    );
  }
  await until(() => harness.isIdle);
});

test('start is inclusive, end exclusive, both decoded, and a scan goes on where its page says', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = ENTRIES;
  using client = await harness.connect();
  const some = await client.send(request('GET', '/v0/entities?start=key01%30&end=key014')).answer();
  assert.deepEqual(
    some.chunks.map((chunk) => String(chunk).slice(0, 6)),
    ['key010', 'key011', 'key012', 'key013'],
  );
  assert.deepEqual(
    harness.ranges.calls.map(({ start, end }) => [start, end]),
    [
      ['key010', 'key014'],
      ['key013', 'key014'],
    ],
  );
});

test('an empty range is an empty answer', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = ENTRIES;
  using client = await harness.connect();
  for (const query of ['start=b&end=a', 'start=b&end=b', 'start=&end=', 'start=z', 'start=a&end=b']) {
    for (const accept of ['*/*', 'application/x-msgpack']) {
      const answer = await client.send(request('GET', `/v0/entities?${query}`, `Accept: ${accept}`)).answer();
      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, 0);
    }
  }
});

test('with Accept: application/x-msgpack it is a sequence of pairs, for HTTP/1.0 as well', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = [...ENTRIES, ['long', 'x'.repeat(70_000)]];
  using client = await harness.connect();
  const expected = harness.ranges.entries;
  const pairs = (body: Buffer): string[][] =>
    (unpackMultiple(body) as Buffer[][]).map((pair) => pair.map((bytes) => bytes.toString()));
  for (const accept of ['application/x-msgpack', 'text/html, Application/X-Msgpack;q=0.9']) {
    const answer = await client.send(request('GET', '/v0/entities?start=', `Accept: ${accept}`)).answer();
    assert.equal(answer.headers.get('content-type'), 'application/x-msgpack');
    assert.deepEqual(pairs(answer.body), expected);
  }
  const refused = request('GET', '/v0/entities?start=', 'Accept: application/x-msgpack;q=0');
  const chunks = await client.send(refused).answer();
  assert.notEqual(chunks.headers.get('content-type'), 'application/x-msgpack');
  using old = await harness.connect();
  old.send('GET /v0/entities?start= HTTP/1.0\r\nAccept: application/x-msgpack\r\n\r\n');
  assert.equal((await old.answer()).headers.has('transfer-encoding'), false);
  assert.deepEqual(pairs(await old.rest()), expected);

  using chunkless = await harness.connect();
  chunkless.send('GET /v0/entities?start= HTTP/1.0\r\n\r\n');
  assert.equal((await chunkless.answer()).status, 400);
});

test('scans and requests that are pipelined are answered in order', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = ENTRIES;
  using client = await harness.connect();
  client.send(request('GET', '/v0/entity?id=a'), ALL, request('GET', '/v0/entity'), ALL);
  assert.equal((await client.answer()).status, 404);
  assert.equal((await client.answer()).chunks.length, 100);
  assert.equal((await client.answer()).status, 400);
  assert.equal((await client.answer()).chunks.length, 100);
});

test('a scan that fails on its first page is answered, and one that fails later is cut without the last chunk', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = ENTRIES;
  using client = await harness.connect();
  const failures: [Error, number][] = [
    [new Error('disk'), 500],
    [new QuorateError('OVERLOADED', 'Too many iterators are open.'), 503],
    [new QuorateError('BAD_REQUEST', 'No such range.'), 400],
  ];
  for (const [failure, status] of failures) {
    harness.ranges.beforePage = () => {
      throw failure;
    };
    assert.equal((await client.send(ALL).answer()).status, status);
  }

  harness.ranges.calls.length = 0;
  harness.ranges.beforePage = (_call, index) => {
    if (index === 2) throw new Error('disk');
  };
  client.send(ALL);
  const sent = (await client.rest()).toString();
  assert.match(sent, /\r\n\r\n7\r\nkey000\n\r\n8\r\nkey001\nv\r\n[\s\S]*\r\nc\r\nkey005\nvvvvv\r\n$/);
  assert.equal(await client.closed, null);
  assert.match(harness.logged.join(), /disk/);

  harness.ranges.calls.length = 0;
  using old = await harness.connect();
  old.send('GET /v0/entities?start= HTTP/1.0\r\nAccept: application/x-msgpack\r\n\r\n');
  assert.equal((await old.closed)?.code, 'ECONNRESET');
  await until(() => harness.isIdle);
});

test('a client that stops reading stops the scan, and is cut', async () => {
  await using harness = await Harness.start({ rangeTimeoutMs: 150 });
  harness.ranges.entries = ENTRIES.map(([key]) => [key, 'x'.repeat(1_000_000)]);
  harness.ranges.entriesPerPage = 1;
  using client = await harness.connect();
  client.socket.pause();
  client.send(ALL);
  await until(() => harness.admission.figures.rangesInFlight === 1);
  await until(() => harness.isIdle);
  // What the kernel's buffers took; far from all.
  assert.ok(harness.ranges.calls.length < ENTRIES.length / 2);
  assert.ok(harness.ranges.calls[0].signal.aborted);
});

test('a client that goes away stops the scan while a page is being read', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = ENTRIES;
  const gate = Promise.withResolvers<void>();
  harness.ranges.beforePage = (_call, index) => (index === 1 ? gate.promise : undefined);
  using client = await harness.connect();
  client.send(ALL);
  await until(() => harness.ranges.calls.length === 2);
  client.socket.destroy();
  await until(() => harness.ranges.calls[1].signal.aborted);
  gate.resolve();
  await until(() => harness.isIdle);
  assert.equal(harness.ranges.calls.length, 2);
});

test('no page is asked for before the last one has been taken, and slow pages do not cut a client', async () => {
  await using harness = await Harness.start({ rangeTimeoutMs: 30 });
  harness.ranges.entries = ENTRIES.slice(0, 9);
  let reading = 0;
  harness.ranges.beforePage = async () => {
    reading += 1;
    assert.equal(reading, 1);
    // Longer than a client might leave an answer unread.
    await new Promise((resolve) => setTimeout(resolve, 60));
    reading -= 1;
  };
  using client = await harness.connect();
  assert.equal((await client.send(ALL).answer()).chunks.length, 9);
});

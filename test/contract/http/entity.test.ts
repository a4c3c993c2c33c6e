import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outcome } from '../../../src/outcome.ts';
import { Harness, request, until } from './harness.ts';

const putOf = (target: string, value: string | Uint8Array): [string, string | Uint8Array] => [
  request('PUT', target, `Content-Length: ${Buffer.byteLength(value)}`),
  value,
];

test('a value is stored, read and deleted over one connection, its bytes unchanged', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

  const put = await client.send(...putOf('/v0/entity?id=k', value)).answer();
  assert.equal(put.status, 201);
  assert.equal(put.body.length, 0);

  const got = await client.send(request('GET', '/v0/entity?id=k')).answer();
  assert.equal(got.status, 200);
  assert.deepEqual(got.body, value);
  assert.equal(got.headers.get('content-type'), 'application/octet-stream');
  assert.ok(got.headers.has('date'));

  const deleted = await client.send(request('DELETE', '/v0/entity?id=k')).answer();
  assert.equal(deleted.status, 202);
  const missing = await client.send(request('GET', '/v0/entity?id=k')).answer();
  assert.equal(missing.status, 404);
  assert.ok(harness.isIdle);
});

test('values of every length around that up to which they go out as strings keep every byte', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  for (const bytes of [1, 2, 1023, 1024, 1025, 5000]) {
    const value = Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 151 + bytes) & 255));
    assert.equal((await client.send(...putOf('/v0/entity?id=k', value)).answer()).status, 201);
    const got = await client.send(request('GET', '/v0/entity?id=k')).answer();
    assert.equal(got.headers.get('content-length'), `${bytes}`);
    assert.deepEqual(got.body, value, `${bytes} bytes`);
  }
});

test('the empty value is a value, with and without a Content-Length, and chunked', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const requests = [
    request('PUT', '/v0/entity?id=a', 'Content-Length: 0'),
    request('PUT', '/v0/entity?id=b'),
    `${request('PUT', '/v0/entity?id=c', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  ];
  for (const put of requests) assert.equal((await client.send(put).answer()).status, 201);
  for (const id of ['a', 'b', 'c']) {
    const got = await client.send(request('GET', `/v0/entity?id=${id}`)).answer();
    assert.equal(got.status, 200);
    assert.equal(got.headers.get('content-length'), '0');
  }
  assert.deepEqual(
    [...harness.entities.stored.values()],
    [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)],
  );
});

test('a key is the UTF-8 of its percent-decoded parameter, and a plus is a space', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const keys: [string, string][] = [
    ['key1', 'key1'],
    ['a+b%20c', 'a b c'],
    ['%C3%A9%e2%82%ac', 'é€'],
    ['a%2Bb%26c%3Dd%25', 'a+b&c=d%'],
    ['a=b', 'a=b'],
    ['%00', '\0'],
    ['/path?x', '/path?x'],
  ];
  for (const [encoded, key] of keys) {
    await client.send(request('GET', `/v0/entity?id=${encoded}`)).answer();
    assert.equal(harness.entities.calls.at(-1)?.key, Buffer.from(key).toString('latin1'), encoded);
  }
});

test('ack and from are handed on as numbers, 0 where they are missing', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const cases: [string, number, number][] = [
    ['id=k', 0, 0],
    ['id=k&ack=2&from=3', 2, 3],
    ['from=5&id=k', 0, 5],
    ['ack=%31&id=k', 1, 0],
    ['ack=999999999&id=k&&', 999_999_999, 0],
    ['%69d=k&a%63k=007', 7, 0],
  ];
  for (const [query, ack, from] of cases) {
    assert.equal((await client.send(request('GET', `/v0/entity?${query}`)).answer()).status, 404, query);
    const call = harness.entities.calls.at(-1);
    assert.deepEqual([call?.key, call?.options.ack, call?.options.from], ['k', ack, from], query);
  }
});

test('each outcome has its status, and a sentence where something is wrong', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const outcomes: [Outcome, number, string, string | undefined][] = [
    [Outcome.notEnoughReplicas, 504, 'Not Enough Replicas', undefined],
    [Outcome.overloaded, 503, 'Service Unavailable', '1'],
    [Outcome.badRequest, 400, 'Bad Request', undefined],
    [Outcome.failed, 500, 'Internal Server Error', undefined],
  ];
  for (const method of ['GET', 'PUT', 'DELETE']) {
    for (const [outcome, status, phrase, retryAfter] of outcomes) {
      harness.entities.behaviour = ({ reply }) =>
        reply.onOutcome(outcome, null, `ack=${status} of é`, 0, 0, 0);
      const answer = await client.send(request(method, '/v0/entity?id=k')).answer();
      assert.equal(answer.status, status);
      assert.equal(answer.phrase, phrase);
      assert.equal(answer.headers.get('retry-after'), retryAfter);
      assert.equal(answer.body.toString(), `ack=${status} of é\n`);
    }
  }
});

test('a service that throws is a 500, and one that answers twice is heard once', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  harness.entities.behaviour = () => {
    throw new Error('lost in thought');
  };
  assert.equal((await client.send(request('GET', '/v0/entity?id=k')).answer()).status, 500);
  assert.match(harness.logged.join(), /lost in thought/);

  harness.entities.behaviour = ({ reply }) => {
    reply.onOutcome(Outcome.ok, Buffer.from('first'), '', 0, 0, 0);
    reply.onOutcome(Outcome.failed, null, 'second', 0, 0, 0);
  };
  assert.equal((await client.send(request('GET', '/v0/entity?id=k')).answer()).body.toString(), 'first');
  harness.entities.behaviour = null;
  assert.equal((await client.send(request('GET', '/v0/entity?id=k')).answer()).status, 404);
  assert.ok(harness.isIdle);
});

test('a target may be absolute, the protocol HTTP/1.0, and half the connection shut', async () => {
  await using harness = await Harness.start();
  harness.entities.stored.set('k', Buffer.from('value'));
  using client = await harness.connect();
  assert.equal((await client.send(request('GET', 'http://test/v0/entity?id=k')).answer()).status, 200);
  assert.equal((await client.send(request('GET', 'HTTP://test?id=k')).answer()).status, 404);

  using old = await harness.connect();
  old.send('GET /v0/entity?id=k HTTP/1.0\r\n\r\n');
  assert.equal((await old.answer()).headers.get('connection'), 'close');
  await old.closed;

  using half = await harness.connect();
  const { promise, resolve } = Promise.withResolvers<void>();
  harness.entities.behaviour = (call) => void promise.then(() => harness.entities.settle(call));
  half.socket.end(request('GET', '/v0/entity?id=k'), () => resolve());
  assert.equal((await half.answer()).body.toString(), 'value');
});

test('a large value that its client leaves unread is held against the bounds, then the client is cut', async () => {
  await using harness = await Harness.start({ rangeTimeoutMs: 200, maxBytesInFlight: 20 * 1024 * 1024 });
  harness.entities.stored.set('large', Buffer.alloc(16 * 1024 * 1024));
  using deaf = await harness.connect();
  using other = await harness.connect();
  deaf.socket.pause();
  deaf.send(request('GET', '/v0/entity?id=large'));
  await until(() => harness.admission.figures.bytesInFlight > 0);
  assert.equal((await other.send(request('GET', '/v0/entity?id=large')).answer()).status, 503);
  assert.equal((await other.send(request('GET', '/v0/entity?id=small')).answer()).status, 404);
  await until(() => harness.isIdle);
});

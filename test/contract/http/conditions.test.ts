/** Entity tags and the conditions of requests, as a client's library sees them (RFC 9110, 8.8.3 and 13). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { versionTag } from '../../../src/http/entity-tag.ts';
import { Harness, request } from './harness.ts';
import type { RawClient } from './raw-client.ts';

const VALUE = 'value';

function put(id: string, value: string, ...headers: string[]): string {
  return `${request('PUT', `/v0/entity?id=${id}`, `Content-Length: ${value.length}`, ...headers)}${value}`;
}

function get(id: string, ...headers: string[]): string {
  return request('GET', `/v0/entity?id=${id}`, ...headers);
}

async function statusOf(client: RawClient, bytes: string): Promise<number> {
  return (await client.send(bytes).answer()).status;
}

test('GET and PUT say the version as a strong tag, and DELETE and 404 have none', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const tag = versionTag(harness.entities.timestamp, harness.entities.writer);
  assert.equal((await client.send(put('k', VALUE)).answer()).headers.get('etag'), tag);
  const read = await client.send(get('k')).answer();
  assert.deepEqual([read.status, read.headers.get('etag')], [200, tag]);
  assert.equal(
    (await client.send(request('DELETE', '/v0/entity?id=k')).answer()).headers.get('etag'),
    undefined,
  );
  assert.equal((await client.send(get('k')).answer()).headers.get('etag'), undefined);
});

test('a GET of what the client has is 304 without a body, and the connection goes on', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  harness.entities.livesMs = 7_999;
  const { headers } = await client.send(put('k', VALUE)).answer();
  const tag = headers.get('etag') ?? '';
  for (const list of [tag, `"x", ${tag}`, `W/${tag}`, '*']) {
    const answer = await client.send(get('k', `If-None-Match: ${list}`)).answer(true);
    assert.equal(answer.status, 304, list);
    assert.equal(answer.headers.get('etag'), tag);
    assert.equal(answer.headers.get('cache-control'), 'max-age=7');
    assert.equal(answer.headers.get('content-length'), undefined);
    assert.equal(answer.headers.get('transfer-encoding'), undefined);
  }
  const changed = await client.send(get('k', `If-None-Match: ${versionTag(1, 1)}`)).answer();
  assert.deepEqual([changed.status, changed.body.toString()], [200, VALUE]);
  assert.equal(await statusOf(client, get('none', 'If-None-Match: *')), 404);
  assert.ok(harness.isIdle);
});

test('a GET of another version than it must be is 412, and of none 404', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const tag = (await client.send(put('k', VALUE)).answer()).headers.get('etag') ?? '';
  assert.equal(await statusOf(client, get('k', `If-Match: ${tag}`)), 200);
  assert.equal(await statusOf(client, get('k', 'If-Match: *')), 200);
  assert.equal(await statusOf(client, get('k', `If-Match: W/${tag}`)), 412);
  const unmet = await client.send(get('k', 'If-Match: "x"', `If-None-Match: ${tag}`)).answer();
  assert.deepEqual([unmet.status, unmet.headers.get('etag')], [412, tag]);
  assert.match(unmet.body.toString(), /^The value of the key is not one that the condition allows\.\n$/);
  assert.equal(await statusOf(client, get('none', 'If-Match: *')), 404);
});

test('the condition of a PUT and of a DELETE reaches the coordinator, and 412 says what the key has', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const { entities } = harness;
  const tag = versionTag(entities.timestamp, entities.writer);
  const version = { timestamp: entities.timestamp, writer: entities.writer };
  const without = await client.send(put('k', VALUE, 'If-Match: *')).answer();
  assert.deepEqual(
    [without.status, without.phrase, without.headers.get('etag')],
    [412, 'Precondition Failed', undefined],
  );
  assert.equal(without.body.toString(), 'not met\n');
  assert.deepEqual(entities.calls.at(-1)?.options.condition, { ifMatch: 'any', ifNoneMatch: null });
  assert.equal(await statusOf(client, put('k', VALUE, 'If-None-Match: *')), 201);
  const exists = await client.send(put('k', 'other', 'If-None-Match: *')).answer();
  assert.deepEqual([exists.status, exists.headers.get('etag')], [412, tag]);
  assert.equal(exists.body.toString(), 'not met\n');
  assert.equal(await statusOf(client, put('k', 'new', `If-Match: "x"`, `If-Match: ${tag}`)), 201);
  assert.deepEqual(entities.calls.at(-1)?.options.condition, { ifMatch: [version], ifNoneMatch: null });
  const remove = (...headers: string[]): string => request('DELETE', '/v0/entity?id=k', ...headers);
  assert.equal(await statusOf(client, remove('If-Match: "x"')), 412);
  assert.equal(await statusOf(client, remove(`If-Match: W/${tag}`)), 412);
  assert.equal(await statusOf(client, remove(`If-None-Match: ${tag}`)), 412);
  assert.equal(await statusOf(client, remove(`If-Match: ${tag}`)), 202);
  assert.equal(await statusOf(client, remove('If-Match: *')), 412);
});

test('a header that is no list of tags is a 400 that names it, before the body is read', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  for (const header of ['If-Match: abc', 'If-None-Match: "a', 'If-Match: *, "a"', 'If-None-Match:'])
    for (const bytes of [
      get('k', header),
      put('k', VALUE, header),
      request('DELETE', '/v0/entity?id=k', header),
    ]) {
      const answer = await client.send(bytes).answer();
      assert.equal(answer.status, 400, header);
      assert.match(answer.body.toString(), new RegExp(`^The header ${header.split(':')[0]} is neither`));
    }
  assert.deepEqual(harness.entities.calls, []);
  const waiting = request(
    'PUT',
    '/v0/entity?id=k',
    'Content-Length: 500000',
    'Expect: 100-continue',
    'If-Match: abc',
  );
  assert.equal(await statusOf(client, waiting), 400);
});

test('a client that waits to be told to go on may be told so, and then that its condition is not met', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  await client.send(put('k', VALUE)).answer();
  const large = Buffer.alloc(300_000, 'x');
  const head = request(
    'PUT',
    '/v0/entity?id=k',
    `Content-Length: ${large.length}`,
    'Expect: 100-continue',
    'If-None-Match: *',
  );
  assert.equal(await statusOf(client, head), 100);
  assert.equal((await client.send(large).answer()).status, 412);
  assert.equal((await client.send(get('k')).answer()).body.toString(), VALUE);
  assert.ok(harness.isIdle);
});

test('dates are no condition, as values have none', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  await client.send(put('k', VALUE)).answer();
  const past = 'Thu, 01 Jan 1970 00:00:00 GMT';
  assert.equal(await statusOf(client, get('k', `If-Unmodified-Since: ${past}`)), 200);
  assert.equal(await statusOf(client, get('k', 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT')), 200);
});

test('answers to pipelined requests come in order, whatever becomes of each condition', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const tag = versionTag(harness.entities.timestamp, harness.entities.writer);
  await client.send(put('k', VALUE)).answer();
  client.send(
    get('k', `If-None-Match: ${tag}`),
    put('k', VALUE, 'If-None-Match: *'),
    get('k', 'If-Match: "x"'),
    request('DELETE', '/v0/entity?id=k', 'If-Match: "x"'),
    get('k', `If-None-Match: ${tag}`),
    get('k'),
  );
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) statuses.push((await client.answer()).status);
  assert.deepEqual(statuses, [304, 412, 412, 412, 304, 200]);
});

test('a value that expires says how long it lives, rounded down, and others say nothing', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  await client.send(put('k', VALUE, 'X: y')).answer();
  for (const [livesMs, said] of [
    [0, undefined],
    [0.5, 'max-age=0'],
    [999, 'max-age=0'],
    [1_000, 'max-age=1'],
    [315_360_000_000, 'max-age=315360000'],
  ] as const) {
    harness.entities.livesMs = livesMs;
    assert.equal((await client.send(get('k')).answer()).headers.get('cache-control'), said);
  }
});

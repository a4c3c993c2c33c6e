import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Harness, request } from './harness.ts';

test('a query that cannot be read is answered with a sentence that names the fault', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const entity: [string, number, RegExp][] = [
    ['', 400, /"id" is missing/],
    ['?', 400, /"id" is missing/],
    ['?key=a', 400, /no query parameter "key" here: there are id, ack, from, /],
    ['?id', 400, /"id" is empty/],
    ['?id=', 400, /"id" is empty/],
    ['?id=a&id=a', 400, /"id" is given more than once/],
    ['?id=%', 400, /"id" is not percent-encoded UTF-8/],
    ['?id=%4', 400, /"id" is not percent-encoded UTF-8/],
    ['?id=%g1', 400, /"id" is not percent-encoded UTF-8/],
    ['?id=%c3', 400, /"id" is not percent-encoded UTF-8/],
    ['?id=%ed%a0%80', 400, /"id" is not percent-encoded UTF-8/],
    ['?id=a#b', 400, /"id" is not percent-encoded UTF-8/],
    ['?id=a&ack=', 400, /"ack" is not a whole number/],
    ['?id=a&ack=-1', 400, /"ack" is not a whole number/],
    ['?id=a&ack=1.5', 400, /"ack" is not a whole number/],
    ['?id=a&ack=1234567890', 400, /"ack" is not a whole number of at most 9 digits/],
    ['?id=a&ack=%zz', 400, /"ack" is not a whole number/],
    ['?id=a&ack=0', 400, /"ack" is 0/],
    ['?id=a&ack=1&ack=1', 400, /"ack" is given more than once/],
    ['?id=a&from=x', 400, /"from" is not a whole number/],
    ['?id=a&acks=2', 400, /no query parameter "acks" here/],
    ['?id=a&b', 400, /no query parameter "b" here.* An & that belongs to a value is %26\.$/m],
    ['?id=a&=', 400, /no query parameter "" here/],
    ['?id=a&%69D=b', 400, /no query parameter "%69D" here/],
    [`?id=a&${'x'.repeat(41)}=1`, 400, /no query parameter "x{40}…" here/],
    ['?id=a&from=0', 400, /"from" is 0/],
    [`?id=${'k'.repeat(4097)}`, 413, /"id" has 4097 bytes: a key has at most 4096/],
    [`?id=${'%C3%A9'.repeat(2049)}`, 413, /"id" has 4098 bytes/],
  ];
  const entities: [string, number, RegExp][] = [
    ['', 400, /"start" is missing/],
    ['?end=b', 400, /"start" is missing/],
    ['?start=a&limit=5', 400, /no query parameter "limit" here: there are start, end\. /],
    ['?start=a&start=a', 400, /"start" is given more than once/],
    ['?start=a&end=%f', 400, /"end" is not percent-encoded UTF-8/],
    ['?start=a&end=&end=', 400, /"end" is given more than once/],
    [`?start=${'k'.repeat(4097)}`, 413, /"start" has 4097 bytes/],
  ];
  const none: [string, number, RegExp][] = [
    ['?x=1', 400, /no query parameter "x" here: this path has none\. /],
    ['?%C3%A9', 400, /no query parameter "%C3%A9" here/],
  ];
  const targets = [
    ...entity.map(([query, ...rest]) => [`/v0/entity${query}`, ...rest] as const),
    ...entities.map(([query, ...rest]) => [`/v0/entities${query}`, ...rest] as const),
    ...none.map(([query, ...rest]) => [`/v0/status${query}`, ...rest] as const),
  ];
  for (const [target, status, sentence] of targets) {
    const answer = await client.send(request('GET', target)).answer();
    assert.equal(answer.status, status, target);
    assert.match(answer.body.toString(), sentence, target);
    assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8');
  }
  assert.equal(harness.entities.calls.length, 0);
  assert.equal(harness.ranges.calls.length, 0);
});

test('the longest key passes, percent-encoded in full', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const longest = '%6B'.repeat(4096);
  assert.equal((await client.send(request('GET', `/v0/entity?id=${longest}`)).answer()).status, 404);
  assert.equal(harness.entities.calls[0].key, 'k'.repeat(4096));
  const range = `/v0/entities?start=${longest}&end=${longest}`;
  assert.equal((await client.send(request('GET', range)).answer()).status, 200);
});

test('other paths are 404', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const paths = [
    '/',
    '/v0',
    '/v0/',
    '/v0/entity/',
    '/v0/entity/a',
    '/v0/Entity?id=a',
    '/v1/entity?id=a',
    '//v0/entity',
  ];
  for (const path of [...paths, '*', '/v0/%65ntity?id=a', '/v0/entitys', '/v0/status/']) {
    for (const method of path === '*' ? ['OPTIONS'] : ['GET', 'POST']) {
      const answer = await client.send(request(method, path)).answer();
      assert.equal(answer.status, 404, `${method} ${path}`);
      assert.match(answer.body.toString(), /nothing at this path/);
    }
  }
});

test('other methods are 405 and told what is allowed', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const allowed: [string, string, string[]][] = [
    ['/v0/entity?id=a', 'GET, PUT, DELETE', ['POST', 'PATCH', 'OPTIONS', 'HEAD', 'PROPFIND', 'QUERY']],
    ['/v0/entities?start=a', 'GET', ['PUT', 'POST', 'DELETE', 'HEAD']],
    ['/v0/status', 'GET', ['PUT', 'POST', 'DELETE', 'HEAD']],
  ];
  for (const [target, allow, methods] of allowed) {
    for (const method of methods) {
      const answer = await client.send(request(method, target)).answer(method === 'HEAD');
      assert.equal(answer.status, 405, `${method} ${target}`);
      assert.equal(answer.headers.get('allow'), allow);
    }
  }
  using tunnel = await harness.connect();
  const answer = await tunnel
    .send('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n')
    .answer();
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get('allow'), 'GET, PUT, DELETE');
});

test('a body where none belongs is ignored while it is short, and refused when it is long', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  for (const method of ['GET', 'DELETE']) {
    client.send(request(method, '/v0/entity?id=a', 'Content-Length: 4'), 'body');
    assert.notEqual((await client.answer()).status, 413);
  }
  client.send(request('GET', '/v0/status', 'Content-Length: 70000'), Buffer.alloc(70_000));
  const refused = await client.answer();
  assert.equal(refused.status, 413);
  assert.equal(refused.headers.get('connection'), 'close');
  assert.equal(await client.closed, null);
});

test('HTTP/1.1 without a Host, and expectations that cannot be met, are told so', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const hostless = await client.send('GET /v0/entity?id=a HTTP/1.1\r\n\r\n').answer();
  assert.equal(hostless.status, 400);
  assert.match(hostless.body.toString(), /no Host/);
  client.send(request('PUT', '/v0/entity?id=a', 'Expect: miracles', 'Content-Length: 1'), 'x');
  assert.equal((await client.answer()).status, 417);
  assert.equal((await client.send(request('GET', '/v0/entity?id=a')).answer()).status, 404);
});

test('an upgrade that is offered is declined by serving the request as it is', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  client.send(request('GET', '/v0/entity?id=a', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c'));
  assert.equal((await client.answer()).status, 404);
  assert.equal((await client.send(request('GET', '/v0/entity?id=a')).answer()).status, 404);
});

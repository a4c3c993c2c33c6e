/**
 * Requests that are right but odd, and requests that two readers could understand differently. Each is served right or
 * gets one clean answer, and the bytes behind it on the connection are never taken for something else.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resetSocket } from '../../../src/reset-socket.ts';
import { Harness, request, until } from './harness.ts';

const CHUNKED = 'Transfer-Encoding: chunked';
const EMPTY_CHUNKS = '0\r\n\r\n';
const LAST = request('GET', '/v0/entity?id=last');

/** The statuses of all answers on one connection; what was sent ends with a request for the key `last`, which is there. */
async function statusesOf(...parts: string[]): Promise<(number | string)[]> {
  await using harness = await Harness.start();
  harness.entities.stored.set('last', Buffer.from('the last answer'));
  harness.entities.stored.set('k', Buffer.from('value'));
  using client = await harness.connect();
  client.send(...parts, LAST);
  client.socket.end();
  const text = (await client.rest()).toString('latin1');
  const statuses: (number | string)[] = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) =>
    Number(status),
  );
  if (text.endsWith('the last answer')) statuses.push('last');
  await until(() => harness.isIdle);
  assert.ok(
    harness.entities.calls.every(({ key }) => key === 'k' || key === 'last'),
    'a key that nobody sent',
  );
  return statuses;
}

describe('served as if nothing were odd', () => {
  const cases: [string, number, string][] = [
    ['GET with an empty chunked body', 200, request('GET', '/v0/entity?id=k', CHUNKED) + EMPTY_CHUNKS],
    ['DELETE with an empty chunked body', 202, request('DELETE', '/v0/entity?id=k', CHUNKED) + EMPTY_CHUNKS],
    ['status with an empty chunked body', 200, request('GET', '/v0/status', CHUNKED) + EMPTY_CHUNKS],
    [
      'a scan with an empty chunked body',
      200,
      request('GET', '/v0/entities?start=x', CHUNKED) + EMPTY_CHUNKS,
    ],
    [
      'GET with a short chunked body',
      200,
      `${request('GET', '/v0/entity?id=k', CHUNKED)}5\r\nvalue\r\n${EMPTY_CHUNKS}`,
    ],
    ['GET with trailers', 200, `${request('GET', '/v0/entity?id=k', CHUNKED)}0\r\nTrailer: 1\r\n\r\n`],
    [
      'PUT with chunk extensions and trailers',
      201,
      `${request('PUT', '/v0/entity?id=k', CHUNKED)}5;a=b\r\nvalue\r\n0;c\r\nT: 1\r\n\r\n`,
    ],
    ['PUT with an empty chunked body', 201, request('PUT', '/v0/entity?id=k', CHUNKED) + EMPTY_CHUNKS],
    ['PUT of no bytes without a length', 201, request('PUT', '/v0/entity?id=k')],
    ['GET with Content-Length: 0', 200, request('GET', '/v0/entity?id=k', 'Content-Length: 0')],
    ['DELETE with Content-Length: 0', 202, request('DELETE', '/v0/entity?id=k', 'Content-Length: 0')],
    ['GET with a short body', 200, `${request('GET', '/v0/entity?id=k', 'Content-Length: 5')}value`],
    [
      'GET with an offer to upgrade',
      200,
      request(
        'GET',
        '/v0/entity?id=k',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAAQAAP__',
      ),
    ],
    [
      'DELETE with an offer to upgrade',
      202,
      request('DELETE', '/v0/entity?id=k', 'Connection: keep-alive, upgrade', 'Upgrade: websocket'),
    ],
    [
      'GET with an offer to upgrade and Content-Length: 0',
      200,
      request('GET', '/v0/entity?id=k', 'Connection: upgrade', 'Upgrade: x', 'Content-Length: 0'),
    ],
    ['an absolute target', 200, request('GET', 'http://test/v0/entity?id=k')],
  ];
  for (const [what, status, bytes] of cases) {
    it(what, async () => {
      assert.deepEqual(await statusesOf(bytes), [status, 200, 'last']);
    });
    it(`${what}, three times in one packet`, async () => {
      assert.deepEqual(await statusesOf(bytes, bytes, bytes), [status, status, status, 200, 'last']);
    });
  }

  it('GET with Expect: 100-continue', async () => {
    const statuses = await statusesOf(request('GET', '/v0/entity?id=k', 'Expect: 100-continue'));
    // The client may take the answer for its leave to send, so the connection ends behind it.
    assert.deepEqual(statuses, [200]);
  });

  it('PUT with Expect: 100-continue, told to go on once', async () => {
    const put = request('PUT', '/v0/entity?id=k', 'Expect: 100-continue', 'Content-Length: 5');
    assert.deepEqual(await statusesOf(put, 'value'), [100, 201, 200, 'last']);
  });
});

describe('refused with one answer, and the connection goes on', () => {
  const cases: [string, number, string][] = [
    ['HEAD', 405, request('HEAD', '/v0/entity?id=k')],
    ['OPTIONS', 405, request('OPTIONS', '/v0/entity?id=k')],
    ['OPTIONS *', 404, request('OPTIONS', '*')],
    ['POST with a short body', 405, `${request('POST', '/v0/entity?id=k', 'Content-Length: 5')}value`],
    ['another expectation', 417, request('GET', '/v0/entity?id=k', 'Expect: more')],
  ];
  for (const [what, status, bytes] of cases) {
    it(what, async () => assert.deepEqual(await statusesOf(bytes), [status, 200, 'last']));
  }
});

describe('refused with one answer, and the connection ends: nothing behind it is taken for a request', () => {
  const cases: [string, number, string][] = [
    [
      'HTTP/1.0 with Transfer-Encoding',
      400,
      `PUT /v0/entity?id=k HTTP/1.0\r\nHost: test\r\n${CHUNKED}\r\nConnection: keep-alive\r\n\r\n${EMPTY_CHUNKS}`,
    ],
    [
      'HTTP/1.0 GET with Transfer-Encoding',
      400,
      `GET /v0/entity?id=k HTTP/1.0\r\n${CHUNKED}\r\nConnection: keep-alive\r\n\r\n${EMPTY_CHUNKS}`,
    ],
    [
      'HTTP/1.0 status with Transfer-Encoding',
      400,
      `GET /v0/status HTTP/1.0\r\n${CHUNKED}\r\nConnection: keep-alive\r\n\r\n${EMPTY_CHUNKS}`,
    ],
    ['POST with an empty chunked body', 405, request('POST', '/v0/entity?id=k', CHUNKED) + EMPTY_CHUNKS],
    ['both framings', 400, request('PUT', '/v0/entity?id=k', 'Content-Length: 5', CHUNKED) + EMPTY_CHUNKS],
    [
      'both framings, the other way round',
      400,
      request('PUT', '/v0/entity?id=k', CHUNKED, 'Content-Length: 5') + EMPTY_CHUNKS,
    ],
    [
      'two lengths',
      400,
      `${request('PUT', '/v0/entity?id=k', 'Content-Length: 5', 'Content-Length: 6')}value`,
    ],
    [
      'the same length twice',
      400,
      `${request('PUT', '/v0/entity?id=k', 'Content-Length: 5', 'Content-Length: 5')}value`,
    ],
    ['a list of lengths', 400, `${request('PUT', '/v0/entity?id=k', 'Content-Length: 5, 5')}value`],
    ['a folded header', 400, request('GET', '/v0/entity?id=k', 'X: a', ' b')],
    ['line feeds alone', 400, 'GET /v0/entity?id=k HTTP/1.1\nHost: test\n\n'],
    ['a line feed in a header', 400, request('GET', '/v0/entity?id=k', 'X: a\nContent-Length: 5')],
    ['a space before the colon', 400, request('PUT', '/v0/entity?id=k', 'Content-Length : 5')],
    ['chunks that end in line feeds', 400, `${request('PUT', '/v0/entity?id=k', CHUNKED)}5\nvalue\n0\n\n`],
    [
      'a chunk longer than it says',
      400,
      `${request('PUT', '/v0/entity?id=k', CHUNKED)}2\r\nvalue\r\n${EMPTY_CHUNKS}`,
    ],
    [
      'chunked twice',
      400,
      request('PUT', '/v0/entity?id=k', 'Transfer-Encoding: chunked, chunked') + EMPTY_CHUNKS,
    ],
    ['chunked in two lines', 400, request('PUT', '/v0/entity?id=k', CHUNKED, CHUNKED) + EMPTY_CHUNKS],
    [
      'chunked, and not as the last',
      400,
      request('PUT', '/v0/entity?id=k', 'Transfer-Encoding: chunked, identity') + EMPTY_CHUNKS,
    ],
    [
      'another coding before chunked',
      501,
      request('PUT', '/v0/entity?id=k', 'Transfer-Encoding: gzip, chunked') + EMPTY_CHUNKS,
    ],
    [
      'another coding before chunked, where no body belongs',
      501,
      request('GET', '/v0/entity?id=k', 'Transfer-Encoding: gzip, chunked') + EMPTY_CHUNKS,
    ],
    ['CONNECT', 405, 'CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n'],
    ['the preface of HTTP/2', 400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    [
      'GET with a long chunked body',
      413,
      `${request('GET', '/v0/entity?id=k', CHUNKED)}${'ffff\r\n'}${'x'.repeat(0xffff)}\r\n5\r\nvalue\r\n${EMPTY_CHUNKS}`,
    ],
  ];
  for (const [what, status, bytes] of cases) {
    it(what, async () => assert.deepEqual(await statusesOf(bytes), [status]));
  }

  it('PUT with an offer to upgrade: what lies behind its body cannot be told from another protocol', async () => {
    const put = request('PUT', '/v0/entity?id=k', 'Connection: upgrade', 'Upgrade: h2c', 'Content-Length: 5');
    assert.deepEqual(await statusesOf(put, 'value'), [201]);
  });
});

describe('in the order of the requests', () => {
  for (const [what, behind, status] of [
    ['an offer to upgrade', request('GET', '/v0/entity?id=k', 'Connection: upgrade', 'Upgrade: h2c'), 404],
    ['CONNECT', 'CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n', 405],
  ] as const) {
    it(`${what} waits for the answers to those before it`, async () => {
      await using harness = await Harness.start();
      using client = await harness.connect();
      harness.entities.behaviour = () => undefined;
      client.send(request('PUT', '/v0/entity?id=first'), behind, LAST);
      await until(() => harness.entities.calls.length > 0);
      // A turn in which the second would be answered if it did not wait.
      await new Promise((resolve) => setImmediate(resolve));
      harness.entities.behaviour = null;
      harness.entities.settle(harness.entities.calls[0]);
      assert.equal((await client.answer()).status, 201);
      assert.equal((await client.answer()).status, status);
      if (status === 404) assert.equal((await client.answer()).status, 404);
    });
  }

  for (const [name, body] of [
    ['a body that is cut', 'Transfer-Encoding: chunked\r\n\r\n5\r\nval'],
    ['a body that is none', 'Transfer-Encoding: chunked\r\n\r\nGET /v0/status HTTP/1.1\r\n\r\n'],
    ['no body where one is announced', 'Content-Length: 5\r\n\r\n'],
  ]) {
    it(`an offer to upgrade with ${name} is answered when nothing more can come`, async () => {
      await using harness = await Harness.start();
      for (const method of ['PUT', 'GET']) {
        if (method === 'GET' && body.startsWith('Content-Length')) continue;
        using client = await harness.connect();
        const head = `${method} /v0/entity?id=k HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: h2c\r\n`;
        client.send(head, body);
        client.socket.end();
        assert.equal((await client.answer()).status, 400);
        await client.closed;
      }
      assert.equal(harness.entities.calls.length, 0);
      await until(() => harness.isIdle);
    });
  }

  it('a client that goes away while its offer to upgrade waits does no harm', async () => {
    await using harness = await Harness.start();
    using client = await harness.connect();
    harness.entities.behaviour = () => undefined;
    client.send(
      request('PUT', '/v0/entity?id=first'),
      request('GET', '/v0/entity?id=k', 'Connection: upgrade', 'Upgrade: h2c'),
    );
    await until(() => harness.entities.calls.length === 1);
    resetSocket(client.socket);
    await client.closed;
    await new Promise((resolve) => setImmediate(resolve));
    harness.entities.settle(harness.entities.calls[0]);
    await until(() => harness.isIdle);
    using other = await harness.connect();
    assert.equal((await other.send(request('GET', '/v0/status')).answer()).status, 200);
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { FailureCode } from '../../../src/failure.ts';
import { authorizationOf } from '../../../src/peer-http/connection-proof.ts';
import { MAX_HEAD_BYTES, SESSION_TARGET } from '../../../src/peer-http/wire.ts';
import { STORED } from '../../../src/reply.ts';
import { SessionKey } from '../../../src/rpc/cluster-secret.ts';
import { RawClient } from '../http/raw-client.ts';
import { HttpPair } from './harness.ts';
import { claim, connectAsPeer, request, TARGET } from './raw-peer.ts';

const RECORD = Buffer.from('a record of sixteen bytes and more');

/** What is answered to everybody who has proved nothing, and that the connection ends. */
async function isUnknown(client: RawClient): Promise<void> {
  const { status, headers, body } = await client.answer();
  assert.deepEqual([status, body.length], [404, 0]);
  assert.deepEqual([...headers.keys()].toSorted(), ['connection', 'content-length']);
  assert.equal((await client.rest()).length, 0);
}

describe('a stranger on the port for peers', () => {
  it('is answered 404, whatever he asks, and nothing reaches the replica', async () => {
    await using pair = await HttpPair.start();
    const headers = { 'Quorate-Timeout-Ms': '1000' };
    const asked = [
      request('GET', TARGET, headers),
      request('GET', TARGET, { ...headers, Host: 'evil.example' }),
      `GET ${TARGET} HTTP/1.1\r\n\r\n`,
      `GET ${TARGET} HTTP/1.0\r\n\r\n`,
      request('DELETE', TARGET, headers),
      request('OPTIONS', '*'),
      request('GET', '/v0/status'),
      request('GET', '/v0/entity?id=key'),
      request('POST', SESSION_TARGET, { 'Content-Length': '0' }),
      request('GET', `http://127.0.0.1${SESSION_TARGET}`),
      request('PUT', TARGET, { ...headers, 'Content-Length': '1000000' }),
      request('PUT', TARGET, { ...headers, Expect: '100-continue', 'Content-Length': '5' }),
      request('PUT', TARGET, { ...headers, Expect: 'miracles', 'Content-Length': '5' }),
      request('GET', TARGET, { ...headers, Upgrade: 'h2c', Connection: 'Upgrade' }),
      `${request('PUT', TARGET, { ...headers, 'Transfer-Encoding': 'chunked' })}5\r\nhello\r\n0\r\n\r\n`,
      request('GET', TARGET, headers) + request('GET', TARGET, headers),
    ];
    for (const bytes of asked) {
      using client = await RawClient.connect(pair.port);
      await isUnknown(client.send(bytes));
    }
    assert.equal(pair.replica.requests, 0);
    // One line a minute, whatever there are.
    assert.equal(
      pair.log.matching(/does not prove that it belongs to an RPC session of a node of this cluster/).length,
      1,
    );
  });

  it('cannot prove what he does not know: another secret, a session that is over, a number used before', async () => {
    await using pair = await HttpPair.start();
    const { key } = pair;
    const overheard = authorizationOf(key, 1);
    using first = await RawClient.connect(pair.port);
    assert.equal((await first.send(claim(overheard)).answer()).status, 204);
    const [scheme, name, , proof] = overheard.split(' ');
    const wrong = [
      overheard,
      authorizationOf(new SessionKey(randomBytes(32)), 2),
      `${scheme} ${name} 2 ${proof}`,
      `${scheme} ${name} 02 ${proof}`,
      `${scheme} ${name} 2 ${proof.slice(2)}`,
      `${scheme} ${name} 2 ${'0'.repeat(64)}`,
      `${scheme} ${'0'.repeat(64)} 2 ${proof}`,
      `Basic ${Buffer.from('a:b').toString('base64')}`,
    ];
    for (const authorization of wrong) {
      using client = await RawClient.connect(pair.port);
      await isUnknown(client.send(claim(authorization)));
    }
    // With another method or path a proof is as good as none.
    using elsewhere = await RawClient.connect(pair.port);
    await isUnknown(elsewhere.send(request('GET', TARGET, { Authorization: authorizationOf(key, 3) })));
    pair.part();
    assert.equal((await first.rest()).length, 0);
    for (const again of [overheard, authorizationOf(key, 4)]) {
      using client = await RawClient.connect(pair.port);
      await isUnknown(client.send(claim(again)));
    }
    // After a restart there are other sessions.
    pair.meet();
    using late = await RawClient.connect(pair.port);
    await isUnknown(late.send(claim(authorizationOf(key, 5))));
    assert.equal(pair.replica.requests, 0);
  });

  it('is cut off without an answer for a giant head, for what is no HTTP, and for CONNECT', async () => {
    await using pair = await HttpPair.start();
    for (const bytes of [
      request('GET', TARGET, { Cookie: 'x'.repeat(MAX_HEAD_BYTES) }),
      `GET /${'x'.repeat(MAX_HEAD_BYTES)}`,
      'quorate-rpc\r\n\r\n',
      Buffer.alloc(3 * MAX_HEAD_BYTES, 0x16).toString('latin1'),
      request('CONNECT', '127.0.0.1:1'),
    ]) {
      using client = await RawClient.connect(pair.port);
      client.send(bytes);
      assert.equal((await client.rest()).toString('latin1'), '');
    }
    assert.equal(pair.log.matching(/it sent what is no HTTP/).length, 1);
  });

  it('is sent away when he proves nothing in time, also when he sends a head bit by bit', async () => {
    await using pair = await HttpPair.start({ proofTimeoutMs: 1_000 });
    using silent = await RawClient.connect(pair.port);
    using slow = await RawClient.connect(pair.port);
    slow.send(`POST ${SESSION_TARGET} HTTP/1.1\r\nHost: `);
    await pair.until(() => pair.serving.server.connections === 2, 'they are not connected');
    pair.clock.advance(980);
    slow.send('a');
    assert.equal(pair.serving.server.connections, 2);
    pair.clock.advance(40);
    assert.deepEqual(await Promise.all([silent.rest(), slow.rest()]), [Buffer.alloc(0), Buffer.alloc(0)]);
  });

  it('takes no place of a peer, however many connections he makes', async () => {
    await using pair = await HttpPair.start({ maxStrangers: 8 });
    using peer = await connectAsPeer(pair, 1_000);
    const strangers: RawClient[] = [];
    for (let i = 0; i < 20; i++) strangers.push(await RawClient.connect(pair.port));
    await pair.until(() => pair.serving.server.connections === 9, 'too many strangers stay');
    assert.deepEqual(await pair.answered(pair.write('key', RECORD)), STORED);
    peer.send(request('GET', TARGET, { 'Quorate-Timeout-Ms': '1000' }));
    assert.deepEqual((await peer.answer()).body, RECORD);
    assert.equal(pair.log.matching(/8 newer ones have not proved themselves yet/).length, 1);
    for (const stranger of strangers) stranger[Symbol.dispose]();
  });
});

describe('a peer that is not as it should be', () => {
  const headers = { 'Quorate-Timeout-Ms': '1000' };

  it('hears what is wrong with a request, and may send the next', async () => {
    await using pair = await HttpPair.start();
    using peer = await connectAsPeer(pair, 1);
    const put = { ...headers, 'Content-Length': '5' };
    const wrong: [string, FailureCode][] = [
      [request('GET', '/v0/replica?key=', headers), FailureCode.notServed],
      [request('GET', '/v0/replica?key=a+b', headers), FailureCode.notServed],
      [request('GET', '/v0/replica?key=YQ==', headers), FailureCode.notServed],
      [request('GET', '/v0/status', headers), FailureCode.notServed],
      [request('GET', TARGET), FailureCode.malformed],
      [request('GET', TARGET, { 'Quorate-Timeout-Ms': '-1' }), FailureCode.malformed],
      [request('GET', TARGET, { 'Quorate-Timeout-Ms': '4294967296' }), FailureCode.malformed],
      [`${request('PUT', SESSION_TARGET, put)}hello`, FailureCode.notServed],
      [`${request('PUT', TARGET, { 'Content-Length': '5' })}hello`, FailureCode.malformed],
    ];
    for (const [bytes, code] of wrong) {
      const answer = await peer.send(bytes).answer();
      assert.equal(answer.headers.get('quorate-reply'), 'failed', bytes);
      assert.equal(Number(answer.headers.get('quorate-failure')), code, bytes);
    }
    assert.equal(pair.replica.requests, 0);
    const answer = await peer.send(request('PUT', TARGET, put), 'hello').answer();
    assert.deepEqual([answer.status, answer.headers.get('quorate-reply')], [201, 'ok']);
  });

  it('is disconnected with its answer when its body cannot be read', async () => {
    await using pair = await HttpPair.start();
    const wrong = [
      [request('DELETE', TARGET, headers), FailureCode.notServed],
      [request('PUT', TARGET, { ...headers, 'Content-Length': '99999999' }), FailureCode.tooLarge],
      [request('PUT', TARGET, { ...headers, 'Transfer-Encoding': 'chunked' }), FailureCode.malformed],
    ] as const;
    for (const [i, [bytes, code]] of wrong.entries()) {
      using peer = await connectAsPeer(pair, i + 1);
      const answer = await peer.send(bytes).answer();
      assert.equal(Number(answer.headers.get('quorate-failure')), code, bytes);
      assert.equal((await peer.rest()).length, 0);
    }
  });

  it('that sends half a record and goes leaves nothing behind', async () => {
    await using pair = await HttpPair.start({ maxQueuedBytes: 100 });
    for (let i = 1; i <= 3; i++) {
      using peer = await connectAsPeer(pair, i);
      peer.send(request('PUT', TARGET, { ...headers, 'Content-Length': '80' }), 'half');
      // So that the server has read it.
      using other = await connectAsPeer(pair, 100 + i);
      other.send(request('GET', TARGET, headers));
      assert.equal((await other.answer()).headers.get('quorate-reply'), 'absent');
    }
    await pair.until(() => pair.serving.server.connections === 0, 'connections stay');
    using peer = await connectAsPeer(pair, 200);
    const whole = request('PUT', TARGET, { ...headers, 'Content-Length': '80' });
    assert.equal((await peer.send(whole, Buffer.alloc(80)).answer()).status, 201);
    assert.equal(pair.replica.records.size, 1);
  });

  it('may have so many bytes of records on their way, and of answers, and no more', async () => {
    await using pair = await HttpPair.start({ maxQueuedBytes: 1_000 });
    const put = (bytes: number) => request('PUT', TARGET, { ...headers, 'Content-Length': `${bytes}` });
    using first = await connectAsPeer(pair, 1);
    using second = await connectAsPeer(pair, 2);
    pair.replica.holds = true;
    first.send(put(600), Buffer.alloc(600));
    await pair.until(() => pair.replica.held === 1, 'the first record does not come');
    const refused = await second.send(put(600), Buffer.alloc(600)).answer();
    assert.equal(Number(refused.headers.get('quorate-failure')), FailureCode.queueFull);
    pair.replica.holds = false;
    pair.replica.release();
    assert.equal((await first.answer()).status, 201);
    assert.equal((await second.send(put(600), Buffer.alloc(600)).answer()).status, 201);
    // The record grows at the replica, past what may be sent.
    pair.replica.records.set('key', Buffer.alloc(1_001));
    const answer = await first.send(request('GET', TARGET, headers)).answer();
    assert.equal(Number(answer.headers.get('quorate-failure')), FailureCode.queueFull);
    pair.replica.records.set('key', Buffer.alloc(900));
    for (let i = 0; i < 3; i++)
      assert.equal((await first.send(request('GET', TARGET, headers)).answer()).body.length, 900);
  });

  it('that sends a request before the answer to its last loses the connection', async () => {
    await using pair = await HttpPair.start();
    using peer = await connectAsPeer(pair, 1);
    pair.replica.holds = true;
    peer.send(request('GET', TARGET, headers), request('GET', TARGET, headers));
    assert.equal((await peer.rest()).length, 0);
    assert.equal(pair.log.matching(/node a: it sent a request before the answer/).length, 1);
    pair.replica.release();
  });

  it('has twice as many connections as it uses, and no more', async () => {
    await using pair = await HttpPair.start({ maxConnections: 2 });
    const peers: RawClient[] = [];
    for (let number = 1; number <= 4; number++) peers.push(await connectAsPeer(pair, number));
    using fifth = await RawClient.connect(pair.port);
    await isUnknown(fifth.send(claim(authorizationOf(pair.key, 5))));
    peers[0][Symbol.dispose]();
    await pair.until(() => pair.serving.server.connections === 3, 'a closed connection counts');
    using next = await connectAsPeer(pair, 6);
    assert.equal(next.socket.destroyed, false);
    for (const peer of peers) peer[Symbol.dispose]();
  });
});

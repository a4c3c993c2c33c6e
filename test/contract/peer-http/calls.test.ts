import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailureCode } from '../../../src/failure.ts';
import {
  failed,
  found,
  incomplete,
  type ReplicaReply,
  ReplyKind,
  STORED,
  stale,
} from '../../../src/reply.ts';
import { ReplyBook } from '../../support/rpc-nodes.ts';
import { DOWN, HERE, HttpPair, MAX_VALUE_BYTES, PEER } from './harness.ts';
import { connectAsPeer, request, TARGET } from './raw-peer.ts';

const RECORD = Buffer.from('a record of sixteen bytes and more');

describe('replicas over HTTP', () => {
  it('are written and read, and answer as over RPC', async () => {
    await using pair = await HttpPair.start();
    assert.equal((await pair.answered(pair.read('key'))).kind, ReplyKind.absent);
    assert.deepEqual(await pair.answered(pair.write('key', RECORD)), STORED);
    assert.deepEqual(await pair.answered(pair.read('key')), found(RECORD));
    assert.deepEqual(await pair.answered(pair.readVersion('key')), found(RECORD.subarray(0, 16)));
    assert.equal((await pair.answered(pair.readVersion('other'))).kind, ReplyKind.absent);
    const reply = await pair.answered(pair.write('refused', RECORD));
    assert.deepEqual(reply, failed(FailureCode.storage, 'storage error'));
    assert.equal(pair.serving.server.connections, 1);
    assert.equal(pair.book.repeated, 0);
  });

  it('take any bytes as a key, up to the longest, and records up to the largest', async () => {
    await using pair = await HttpPair.start();
    const keys = [Buffer.from([0, 255, 10, 13, 32, 63]), Buffer.alloc(4_096, 0xfe), Buffer.alloc(8_192, 1)];
    for (const [i, key] of keys.entries()) {
      const record = Buffer.alloc(i === 2 ? MAX_VALUE_BYTES + 30 : 20, i + 1);
      assert.deepEqual(await pair.answered(pair.write(key, record)), STORED);
      assert.deepEqual(await pair.answered(pair.read(key)), found(record));
    }
    pair.book.isFailed(pair.read(Buffer.alloc(8_193, 1)), FailureCode.keyTooLong, /key is too long/);
    const tooLarge = pair.write('key', Buffer.alloc(MAX_VALUE_BYTES + 8_193));
    pair.book.isFailed(tooLarge, FailureCode.tooLarge, /larger than the peer takes/);
  });

  it('pass on every kind of answer unchanged', async () => {
    await using pair = await HttpPair.start();
    const answers: [ReplicaReply, ReplicaReply?][] = [
      [incomplete(null)],
      [incomplete(RECORD)],
      [failed(FailureCode.corruption, 'Schaden in Block 7, größer als gedacht')],
      [failed(77, 'from a newer build')],
      [failed(200, '')],
    ];
    for (const [answer] of answers) {
      pair.replica.read = (_key, _timeoutMs, sink, token) => sink.onReply(token, answer);
      assert.deepEqual(await pair.answered(pair.read('key')), answer);
    }
    const met = stale(123, 7);
    pair.replica.write = (_key, _record, sink, token) => sink.onReply(token, met);
    assert.deepEqual(await pair.answered(pair.write('key', RECORD)), met);
  });

  it('are no acknowledgement when the answer is of another question', async () => {
    await using pair = await HttpPair.start();
    for (const answer of [found(RECORD), incomplete(null)]) {
      pair.replica.write = (_key, _record, sink, token) => sink.onReply(token, answer);
      await pair.answered(pair.write('key', RECORD));
    }
    for (const answer of [STORED, stale(1, 2)]) {
      pair.replica.read = (_key, _timeoutMs, sink, token) => sink.onReply(token, answer);
      await pair.answered(pair.read('key'));
    }
    for (const { kind, code } of pair.book.replies.values())
      assert.deepEqual([kind, code], [ReplyKind.failed, FailureCode.protocol]);
  });

  it('hear how long they have', async () => {
    await using pair = await HttpPair.start();
    const heard: number[] = [];
    pair.replica.read = (_key, timeoutMs, sink, token) => {
      heard.push(timeoutMs);
      sink.onReply(token, STORED);
    };
    await pair.answered(pair.read('key', 1_234.5));
    assert.deepEqual(heard, [1_235]);
  });

  it('are asked over few connections, which are kept; what finds none waits in order', async () => {
    await using pair = await HttpPair.start({ maxConnections: 4 });
    pair.replica.holds = true;
    const positions = Array.from({ length: 20 }, (_, i) => pair.write(`key${i}`, RECORD));
    await pair.until(() => pair.replica.held === 4, 'four requests do not come');
    for (let held = 4; pair.book.replies.size < 20; held = 4) {
      pair.replica.release();
      await pair.until(
        () =>
          pair.replica.held === Math.min(held, 20 - pair.book.replies.size) || pair.book.replies.size === 20,
        'the next requests do not come',
      );
    }
    assert.equal(pair.replica.mostHeld, 4);
    assert.equal(pair.serving.server.connections, 4);
    assert.deepEqual(
      [...pair.book.replies.keys()].toSorted((a, b) => a - b),
      positions,
    );
    assert.deepEqual(
      [...pair.replica.records.keys()],
      positions.map((i) => `key${i}`),
    );
  });

  it('time out on time, also those that wait for a connection, and answer nobody twice', async () => {
    await using pair = await HttpPair.start({ maxConnections: 1 });
    pair.replica.holds = true;
    const [asked, waiting] = [pair.read('key', 500), pair.read('key', 500)];
    await pair.until(() => pair.replica.held === 1, 'the request does not come');
    pair.clock.advance(480);
    assert.equal(pair.book.replies.size, 0);
    pair.clock.advance(40);
    for (const position of [asked, waiting])
      pair.book.isFailed(position, FailureCode.timedOut, /no answer in time/);
    // The next one does not wait for the connection of one that nobody waits for.
    pair.replica.holds = false;
    assert.equal((await pair.answered(pair.read('key', 500))).kind, ReplyKind.absent);
    pair.replica.release();
    assert.equal((await pair.answered(pair.read('key', 500))).kind, ReplyKind.absent);
    assert.equal(pair.book.repeated, 0);
    assert.equal(pair.replica.requests, 3);
  });

  it('are bounded in number and bytes', async () => {
    await using pair = await HttpPair.start({ maxConnections: 2, maxInFlight: 5, maxQueuedBytes: 1_000 });
    pair.replica.holds = true;
    const first = Array.from({ length: 5 }, () => pair.read('key'));
    pair.book.isFailed(pair.read('key'), FailureCode.inFlightFull, /too many requests in flight/);
    assert.deepEqual(pair.asking.client.figuresOf('b'), { inFlight: 5, queuedBytes: 0 });
    pair.replica.holds = false;
    pair.replica.release();
    for (const position of first) await pair.answered(position);
    pair.replica.holds = true;
    const second = [pair.write('key', Buffer.alloc(600)), pair.write('key', Buffer.alloc(400))];
    pair.book.isFailed(
      pair.write('key', Buffer.alloc(1)),
      FailureCode.queueFull,
      /queue to the peer is full/,
    );
    assert.deepEqual(pair.asking.client.figuresOf('b'), { inFlight: 2, queuedBytes: 1_000 });
    await pair.until(() => pair.replica.held === 2, 'the writes do not come');
    pair.replica.holds = false;
    pair.replica.release();
    for (const position of second) assert.deepEqual(await pair.answered(position), STORED);
    assert.deepEqual(pair.asking.client.figuresOf('b'), { inFlight: 0, queuedBytes: 0 });
  });

  it('are refused at once while the peer is down, and are there again after the next handshake', async () => {
    await using pair = await HttpPair.start({ maxConnections: 1 });
    pair.replica.holds = true;
    const [lost, unsent] = [pair.read('key'), pair.read('key')];
    await pair.until(() => pair.replica.held === 1, 'the request does not come');
    pair.part();
    pair.book.isFailed(lost, FailureCode.peerLost, /node b is down/);
    assert.deepEqual(pair.book.of(unsent), DOWN);
    assert.deepEqual(pair.book.of(pair.read('key')), DOWN);
    assert.deepEqual(pair.book.of(pair.write('key', RECORD)), DOWN);
    await pair.until(() => pair.serving.server.connections === 0, 'connections outlive their session');
    pair.replica.holds = false;
    pair.replica.release();
    pair.meet();
    assert.deepEqual(await pair.answered(pair.write('key', RECORD)), STORED);
    assert.equal(pair.book.repeated, 0);
  });

  it('name a node that the view does not have, and leave this node itself to the caller', async () => {
    await using pair = await HttpPair.start();
    const routes = pair.asking.client.routesOver([null, pair.link]);
    const book = new ReplyBook();
    routes.read(7, RECORD, 1_000, book, 0);
    book.isFailed(0, FailureCode.noSuchPeer, /no such peer/);
    const refusals = routes.write(Uint16Array.of(9, HERE, 7, PEER), 1, 3, RECORD, RECORD, 1_000, book);
    assert.deepEqual(
      refusals?.map((refusal) => refusal?.code),
      [undefined, FailureCode.noSuchPeer, undefined],
    );
    await pair.until(() => book.replies.has(2), 'the peer does not answer');
    assert.deepEqual(book.of(2), STORED);
  });
});

describe('closing', () => {
  it('waits for the answers under way, on both sides, and refuses what comes', async () => {
    await using pair = await HttpPair.start({ maxConnections: 2 });
    pair.replica.holds = true;
    const position = pair.write('key', RECORD);
    await pair.until(() => pair.replica.held === 1, 'the request does not come');
    const closed = pair.asking.close();
    pair.book.isFailed(pair.read('key'), FailureCode.stopping, /node is stopping/);
    pair.replica.release();
    await closed;
    assert.deepEqual(pair.book.of(position), STORED);
    await pair.until(() => pair.serving.server.connections === 0, 'idle connections stay');
  });

  it('of the side that serves answers what it has, and then is gone', async () => {
    await using pair = await HttpPair.start({ maxConnections: 3 });
    // So that there is a connection on which a request can come while it closes.
    pair.replica.holds = true;
    const kept = [pair.write('key', RECORD), pair.write('key', RECORD)];
    await pair.until(() => pair.replica.held === 2, 'the requests do not come');
    const closed = pair.serving.close();
    pair.replica.release(1);
    await pair.answered(kept[0]);
    pair.replica.release();
    assert.deepEqual(await pair.answered(kept[1]), STORED);
    await closed;
    assert.equal(pair.serving.server.connections, 0);
    const late = await pair.answered(pair.read('key'));
    assert.deepEqual([late.kind, late.code], [ReplyKind.failed, FailureCode.peerUnavailable]);
  });

  it('of the side that serves sends an answer to its end, however slowly it is read', async () => {
    await using pair = await HttpPair.start();
    // More than the system takes for somebody who does not read.
    const record = Buffer.alloc(16 * 1024 * 1024, 'record');
    const wasAsked = Promise.withResolvers<void>();
    pair.replica.read = (_key, _timeoutMs, sink, token) => {
      sink.onReply(token, found(record));
      wasAsked.resolve();
    };
    using peer = await connectAsPeer(pair, 1);
    using idle = await connectAsPeer(pair, 2);
    peer.socket.pause();
    peer.send(request('GET', TARGET, { 'Quorate-Timeout-Ms': '1000' }));
    await wasAsked.promise;
    let isClosed = false;
    const closed = pair.serving.close().then(() => {
      isClosed = true;
    });
    assert.equal((await idle.rest()).length, 0);
    assert.ok(!isClosed, 'nothing was left to be sent');
    peer.socket.resume();
    const { body } = await peer.answer();
    assert.ok(body.equals(record));
    await closed;
  });

  it('ends when it is aborted, and every request has its answer', async () => {
    await using pair = await HttpPair.start({ maxConnections: 1 });
    pair.replica.holds = true;
    const [sent, waiting] = [pair.read('key'), pair.read('key')];
    await pair.until(() => pair.replica.held === 1, 'the request does not come');
    const closed = [pair.asking.close(), pair.serving.close()];
    pair.asking.abort();
    pair.serving.abort();
    await Promise.all(closed);
    pair.book.isFailed(sent, FailureCode.peerLost, /stopping/);
    pair.book.isFailed(waiting, FailureCode.stopping, /stopping/);
    pair.replica.release();
    assert.equal(pair.book.repeated, 0);
  });
});

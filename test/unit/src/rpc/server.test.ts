import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../../src/clock.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { ReplyKind } from '../../../../src/reply.ts';
import {
  encodeFragmentHead,
  encodeKeyRequest,
  fragmentFrameBytes,
  keyRequestBytes,
  PING_FRAME,
} from '../../../../src/rpc/codec.ts';
import { encodeHello } from '../../../../src/rpc/hello.ts';
import { RANGE_PAGE_NUMBER, READ, REPAIR_WRITE } from '../../../../src/rpc/operation-table.ts';
import { MessageKind } from '../../../../src/rpc/operations.ts';
import { RpcServer } from '../../../../src/rpc/server.ts';
import type { Listener, Transport } from '../../../../src/rpc/transport.ts';
import { credentialsOf } from '../../../support/rpc-handshake.ts';
import { helloOf } from '../../../support/rpc-nodes.ts';
import { frameOf, type RawPeer, readFrame, serveByHand } from '../../../support/rpc-server-by-hand.ts';

describe('server', () => {
  it('answers in the order in which the replica does', async () => {
    const { clock, connect, replica } = await serveByHand();
    const peer = connect();
    replica.records.set('key', Buffer.from('record'));
    peer.read(1);
    peer.read(2, 'absent');
    clock.advance(10);
    assert.deepEqual(peer.messages, [
      [MessageKind.response, 1, ReplyKind.ok, Buffer.from('record')],
      [MessageKind.response, 2, ReplyKind.absent, null],
    ]);
  });

  it('that is closed while it begins to listen does not listen afterwards', async () => {
    const { clock, log, policy, replica: handler } = await serveByHand();
    const listening = Promise.withResolvers<Listener>();
    const transport: Transport = { dial: () => assert.fail(), listen: () => listening.promise };
    const server = new RpcServer({ handler, policy, credentials: credentialsOf(), transport, clock, log });
    const begun = server.listen('a', 7_000);
    const closed = server.close();
    let isOpen = true;
    const close = async (): Promise<void> => {
      isOpen = false;
    };
    listening.resolve({ port: 7_000, close });
    await assert.rejects(begun, { code: 'DRAINING' });
    await closed;
    assert.equal(isOpen, false);
  });

  it('answers pings', async () => {
    const { clock, connect } = await serveByHand();
    const peer = connect();
    peer.stream.write(PING_FRAME);
    clock.advance(10);
    assert.deepEqual(peer.messages, [[MessageKind.pong]]);
  });

  it('answers operations that it does not serve with a failed', async () => {
    const { clock, connect } = await serveByHand();
    const peer = connect();
    peer.send(MessageKind.request, 5, RANGE_PAGE_NUMBER, 1_000, 'whatever', { it: 'takes' });
    peer.send(MessageKind.request, 6, 0, 1_000);
    clock.advance(10);
    assert.deepEqual(peer.messages, [
      [MessageKind.response, 5, ReplyKind.failed, [FailureCode.notServed, 'operation 4 is not served']],
      [MessageKind.response, 6, ReplyKind.failed, [FailureCode.notServed, 'operation 0 is not served']],
    ]);
    assert.equal(peer.closed, null);
  });

  const garbage: [string, (peer: RawPeer) => void][] = [
    ['a frame without a length', (peer) => peer.stream.write(Buffer.alloc(4))],
    ['a frame that is too long', (peer) => peer.stream.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    ['malformed msgpack', (peer) => peer.stream.write(Buffer.from([0, 0, 0, 2, 0xc1, 0xc1]))],
    ['an unknown kind', (peer) => peer.send(99)],
    ['wrong types', (peer) => peer.send(MessageKind.request, 1, READ.number, 1_000, 'text')],
    ['an answer', (peer) => peer.send(MessageKind.response, 1, 1, null)],
    ['a second hello', (peer) => peer.stream.write(encodeHello(MessageKind.hello, helloOf('b')))],
    [
      'a hello in fragments',
      (peer) => sendInFragments(peer, encodeHello(MessageKind.hello, helloOf('b')).subarray(4)),
    ],
    ['a value that is too large', (peer) => peer.send(MessageKind.fragment, 1, 2 ** 31, 0, Buffer.alloc(9))],
  ];
  for (const [what, send] of garbage) {
    it(`closes a connection that sends ${what}, with one line in the log`, async () => {
      const { clock, connect, log, server } = await serveByHand();
      const peer = connect();
      const other = connect();
      send(peer);
      clock.advance(20);
      assert.notEqual(peer.closed, null);
      assert.equal(log.matching(/warn .*Closed the connection from node b .*: it sent/).length, 1);
      assert.equal(server.connections, 1);
      other.read(1);
      clock.advance(10);
      assert.equal(other.messages.length, 1);
    });
  }

  it('takes nothing but a proof before the handshake', async () => {
    const { clock, dial, log, replica } = await serveByHand();
    const early = [
      (peer: RawPeer) => peer.read(1),
      (peer: RawPeer) => void peer.stream.write(PING_FRAME),
      (peer: RawPeer) => peer.send(MessageKind.cancel, 1),
      (peer: RawPeer) => peer.send(MessageKind.fragment, 1, 20, 0, Buffer.alloc(9)),
      (peer: RawPeer) => peer.send(MessageKind.hello, 'x'.repeat(5_000)),
    ];
    for (const send of early) {
      const peer = dial();
      send(peer);
      clock.advance(10);
      assert.notEqual(peer.closed, null, send.toString());
    }
    assert.equal(replica.requests, 0);
    assert.equal(log.matching(/: it sent/).length, 1, 'one line a minute');
    clock.advance(60_000);
    dial().read(1);
    clock.advance(10);
    assert.match(log.lines.at(-1) ?? '', /: it sent .*\(and 4 more since/);
  });

  it('gives up a handshake that does not come', async () => {
    const { clock, dial, server } = await serveByHand();
    const peer = dial();
    clock.advance(900);
    assert.equal(peer.closed, null);
    clock.advance(200);
    assert.notEqual(peer.closed, null);
    assert.equal(server.connections, 0);
  });

  it('closes a connection on which not even pings come', async () => {
    const { clock, connect } = await serveByHand();
    const silent = connect();
    const pinging = connect();
    for (let second = 0; second < 12; second++) {
      pinging.stream.write(PING_FRAME);
      clock.advance(1_000);
    }
    assert.notEqual(silent.closed, null);
    assert.equal(pinging.closed, null);
  });

  it('bounds the connections of each node: the latest ones stay', async () => {
    const { clock, connect, server } = await serveByHand({ maxConnectionsPerNode: 2 });
    const other = connect('c');
    const peers = [connect('b'), connect('b'), connect('b')];
    clock.advance(10);
    assert.notEqual(peers[0].closed, null);
    assert.deepEqual([peers[1].closed, peers[2].closed, other.closed], [null, null, null]);
    assert.equal(server.connections, 3);
  });

  it('stops reading while too much is under way', async () => {
    const { clock, connect, network, replica } = await serveByHand({ maxUnderWay: 10 });
    network.bufferBytes = Number.POSITIVE_INFINITY;
    const peer = connect();
    replica.holds = true;
    for (let id = 1; id <= 100; id++) peer.read(id);
    clock.advance(500);
    assert.equal(replica.held, 10);
    for (let i = 0; i < 100; i++) {
      replica.release(3);
      clock.advance(50);
    }
    assert.equal(peer.messages.length, 100);
    assert.ok(replica.mostHeld <= 10, `${replica.mostHeld} held`);
  });

  it('stops reading while its answers are not read', async () => {
    const { clock, connect, replica } = await serveByHand({ maxQueuedBytes: 400_000 });
    const peer = connect();
    replica.records.set('key', Buffer.alloc(50_000));
    peer.stream.pause();
    for (let id = 1; id <= 200; id++) peer.read(id);
    clock.advance(1_000);
    const served = replica.requests;
    assert.ok(served < 100, `${served} of 200 served`);
    peer.stream.resume();
    clock.advance(2_000);
    assert.equal(peer.messages.length, 200);
    assert.equal(replica.requests, 200);
  });

  const refusals: [string, (id: number) => Buffer][] = [
    ['an operation that is not served', (id) => frameOf(MessageKind.request, id, 99, 1_000)],
    ['a node that is stopping', (id) => readFrame(id)],
  ];
  for (const [what, ask] of refusals) {
    it(`stops reading while its refusals of requests for ${what} are not read`, async () => {
      const { clock, connect, network, replica, server } = await serveByHand();
      const peer = connect();
      replica.holds = true;
      peer.read(1);
      clock.advance(10);
      if (what === 'a node that is stopping') void server.close();
      await Promise.resolve();
      peer.stream.pause();
      peer.sendAll(Array.from({ length: 100_000 }, (_, i) => ask(i + 2)));
      clock.advance(5_000);
      const unread = network.undelivered('a');
      assert.ok(unread > 500_000, `all but ${unread} bytes were read`);
      peer.stream.resume();
      clock.advance(5_000);
      assert.equal(peer.messages.length, 100_000);
    });
  }

  it('fails the answers for which the queue has no room', async () => {
    const { clock, connect, replica } = await serveByHand({ maxQueuedBytes: 400_000 });
    const peer = connect();
    replica.records.set('key', Buffer.alloc(50_000));
    replica.holds = true;
    for (let id = 1; id <= 20; id++) peer.read(id);
    clock.advance(50);
    replica.release();
    clock.advance(500);
    const failed = peer.messages.filter((message) => message[2] === ReplyKind.failed);
    assert.equal(peer.messages.length, 20);
    assert.deepEqual(
      failed.map((message) => message[3]),
      Array(13).fill([FailureCode.queueFull, 'too many answers to send']),
    );
  });

  it('sends the answers to repairs behind all others', async () => {
    const { clock, connect, replica } = await serveByHand();
    const peer = connect();
    replica.records.set('key', Buffer.from('a record that is long enough'));
    replica.holds = true;
    const record = Buffer.from('another record that is long enough');
    peer.send(MessageKind.request, 1, REPAIR_WRITE.number, 1_000, Buffer.from('other'), record);
    peer.read(2);
    clock.advance(20);
    replica.release();
    clock.advance(20);
    assert.deepEqual(
      peer.messages.map((message) => message[1]),
      [2, 1],
    );
  });

  it('drops the begun write that is cancelled', async () => {
    const { clock, connect, replica } = await serveByHand();
    const peer = connect();
    for (let id = 1; id <= 5; id++) {
      peer.send(MessageKind.fragment, id, 100_000, 0, Buffer.alloc(40_000));
      peer.send(MessageKind.cancel, id);
    }
    clock.advance(50);
    assert.equal(peer.closed, null);
    assert.equal(replica.requests, 0);
  });

  it('closes the connection whose request makes the replica throw, and lives on', async () => {
    const { clock, connect, replica, log } = await serveByHand();
    const peer = connect();
    const other = connect();
    replica.read = () => {
      throw new TypeError('a fault of the replica');
    };
    peer.read(1);
    clock.advance(20);
    assert.notEqual(peer.closed, null);
    assert.equal(log.matching(/error .*a fault of the replica/).length, 1);
    other.stream.write(PING_FRAME);
    clock.advance(20);
    assert.deepEqual(other.messages, [[MessageKind.pong]]);
  });

  it('answers what is under way before it closes, and refuses what comes after', async () => {
    const { clock, connect, replica, server } = await serveByHand();
    const peer = connect();
    replica.holds = true;
    peer.read(1);
    clock.advance(10);
    let closed = false;
    const closing = server.close().then(() => {
      closed = true;
    });
    await Promise.resolve();
    peer.read(2);
    clock.advance(20);
    assert.deepEqual(peer.messages, [
      [MessageKind.response, 2, ReplyKind.failed, [FailureCode.stopping, 'the node is stopping']],
    ]);
    await Promise.resolve();
    assert.equal(closed, false);
    replica.release();
    clock.advance(50);
    await closing;
    assert.deepEqual(peer.messages[1], [MessageKind.response, 1, ReplyKind.absent, null]);
    assert.notEqual(peer.closed, null);
  });

  it('aborts a close that waits for the replica', async () => {
    const { clock, connect, replica, server } = await serveByHand();
    const peer = connect();
    replica.holds = true;
    peer.read(1);
    clock.advance(10);
    const closing = server.close();
    await Promise.resolve();
    server.abort();
    clock.advance(10);
    await closing;
    assert.notEqual(peer.closed, null);
    replica.release();
    assert.deepEqual(peer.messages, []);
  });

  it('survives 2,000 connections of seeded garbage without a trace', async () => {
    const { clock, dial, connect, server, replica } = await serveByHand();
    const random = seededRandom(42);
    const bytes = (length: number) => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
    for (let i = 0; i < 2_000; i++) {
      const peer = i % 2 === 0 ? dial() : connect();
      const junk = bytes(5 + Math.floor(random() * 60));
      // Every third one has a length that fits, so that what is behind it gets looked at.
      if (i % 3 === 0) junk.writeUInt32BE(junk.length - 4, 0);
      peer.stream.write(junk);
      peer.stream.end();
    }
    clock.advance(5_000);
    assert.equal(server.connections, 0);
    const peer = connect();
    peer.read(1);
    clock.advance(10);
    assert.equal(peer.messages.length, 1);
    assert.ok(replica.requests >= 1);
  });

  it('never throws for frames that are nearly right', async () => {
    const { clock, connect } = await serveByHand();
    const frame = Buffer.alloc(4 + keyRequestBytes(3));
    encodeKeyRequest(frame, 0, 1, READ.number, 1_000, Buffer.from('key'));
    fc.assert(
      fc.property(fc.nat(frame.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const peer = connect();
        const bytes = Buffer.from(frame);
        bytes[at] ^= mask;
        peer.stream.write(bytes);
        peer.stream.end();
        clock.advance(20);
        assert.notEqual(peer.closed, null);
      }),
      { numRuns: 500 },
    );
  });
});

function sendInFragments(peer: RawPeer, message: Buffer): void {
  const half = message.length >> 1;
  for (const [offset, part] of [
    [0, message.subarray(0, half)],
    [half, message.subarray(half)],
  ] as const) {
    const frame = Buffer.alloc(fragmentFrameBytes(part.length));
    const next = encodeFragmentHead(frame, 0, 1, message.length, offset, part.length);
    frame.set(part, next);
    peer.stream.write(frame);
  }
}

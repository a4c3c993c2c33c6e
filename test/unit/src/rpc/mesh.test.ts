import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailureCode } from '../../../../src/failure.ts';
import { ABSENT, failed, found, incomplete, ReplyKind, STORED, stale } from '../../../../src/reply.ts';
import { READ_VERSION } from '../../../../src/rpc/operation-table.ts';
import { RpcCluster } from '../../../support/rpc-cluster.ts';
import { ReplyBook, VERSION_BYTES, writeTo } from '../../../support/rpc-nodes.ts';

const key = Buffer.from('key');
const record = Buffer.from('a record of more than sixteen bytes');
const MIB = 1024 * 1024;

describe('mesh', () => {
  it('reads, writes and reads versions', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const { mesh, routes } = nodes[0];
    const book = new ReplyBook();
    routes.read(1, key, 1_000, book, 0);
    mesh.ask(READ_VERSION, 'b', key, 1_000, book, 1);
    clock.advance(10);
    writeTo(routes, [[1, 2]], key, record, 1_000, book);
    writeTo(routes, [[1, 3]], Buffer.from('refused'), record, 1_000, book);
    clock.advance(10);
    routes.read(1, key, 1_000, book, 4);
    mesh.ask(READ_VERSION, 'b', key, 1_000, book, 5);
    clock.advance(10);
    assert.equal(book.of(0).kind, ReplyKind.absent);
    assert.equal(book.of(1).kind, ReplyKind.absent);
    assert.deepEqual(book.of(2), STORED);
    assert.deepEqual(book.of(3), failed(FailureCode.storage, 'storage error'));
    assert.deepEqual(book.of(4), found(record));
    assert.deepEqual(book.of(5).record, record.subarray(0, VERSION_BYTES));
    assert.equal(book.repeated, 0);
  });

  it('tells peers how far the folder has come when it has gone on, and seldom', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const [a, b] = nodes;
    clock.advance(10_000);
    assert.deepEqual(b.policy.histories, [], 'the handshake has told that');
    const { starts } = a.policy.hello.history;
    for (let progress = 2; progress <= 101; progress++) {
      a.policy.hello = { ...a.policy.hello, history: { progress, starts } };
      clock.advance(20);
    }
    clock.advance(1_000);
    assert.ok(b.policy.histories.length >= 4 && b.policy.histories.length <= 6, b.policy.histories.join());
    assert.equal(b.policy.histories.at(-1), 'a 101');
    assert.deepEqual(a.policy.histories, []);
  });

  it('passes on that a replica is not whole, with a record and without', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const book = new ReplyBook();
    let next: Buffer | null = record;
    nodes[1].replica.read = (_key, _timeoutMs, sink, token) => {
      sink.onReply(token, incomplete(next));
      next = null;
    };
    nodes[0].routes.read(1, key, 1_000, book, 0);
    nodes[0].routes.read(1, key, 1_000, book, 1);
    clock.advance(10);
    assert.deepEqual(book.of(0), incomplete(record));
    assert.deepEqual(book.of(1), incomplete(null));
  });

  it('sends the same bytes of a write to every peer', async () => {
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b', 'c']);
    const book = new ReplyBook();
    network.latencyMs = 0;
    // The ids of the peers' requests have to agree although one of them got more before.
    nodes[0].routes.read(2, key, 1_000, book, 9);
    writeTo(
      nodes[0].routes,
      [
        [1, 0],
        [2, 1],
      ],
      key,
      record,
      1_000,
      book,
    );
    clock.advance(10);
    assert.equal(book.of(0).kind, ReplyKind.ok);
    assert.equal(book.of(1).kind, ReplyKind.ok);
    for (const node of nodes.slice(1)) assert.deepEqual(node.replica.records.get('key'), record);
  });

  it('fails at once, within the call, where there is no peer or it is down', async () => {
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b']);
    const book = new ReplyBook();
    const { mesh, routes } = nodes[0];
    routes.read(0, key, 1_000, book, 0);
    routes.read(9, key, 1_000, book, 1);
    writeTo(routes, [[9, 2]], key, record, 1_000, book);
    for (const position of [0, 1, 2]) book.isFailed(position, FailureCode.noSuchPeer, /no such peer/);
    nodes[1].server.abort();
    clock.advance(50);
    routes.read(1, key, 1_000, book, 3);
    writeTo(routes, [[1, 4]], key, record, 1_000, book);
    writeTo(routes, [[1, 5]], key, Buffer.alloc(MIB), 1_000, book);
    for (const position of [3, 4, 5]) book.isFailed(position, FailureCode.peerUnavailable, /node b is down/);
    assert.equal(mesh.isUp('b'), false);
    assert.equal(network.openStreams, 2);
  });

  it('fails what is in flight when the connection is lost, and connects again', async () => {
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b']);
    const book = new ReplyBook();
    const { mesh, routes } = nodes[0];
    nodes[1].replica.holds = true;
    for (let position = 0; position < 100; position++) routes.read(1, key, 60_000, book, position);
    clock.advance(10);
    assert.equal(mesh.peers()[0].inFlight, 100);
    network.cut();
    clock.advance(2);
    assert.equal(book.count(ReplyKind.failed), 100);
    assert.equal(mesh.peers()[0].state, 'down');
    nodes[1].replica.release();
    nodes[1].replica.holds = false;
    clock.advance(50);
    assert.equal(mesh.peers()[0].state, 'up');
    routes.read(1, key, 1_000, book, 100);
    clock.advance(10);
    assert.equal(book.of(100).kind, ReplyKind.absent);
    assert.equal(book.repeated, 0);
    assert.equal(nodes[0].log.matching(/warn Lost node b at b:7000/).length, 1);
  });

  it('lets a request time out and passes over its late answer', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const book = new ReplyBook();
    nodes[1].replica.holds = true;
    nodes[0].routes.read(1, key, 200, book, 0);
    clock.advance(190);
    assert.equal(book.replies.size, 0);
    clock.advance(40);
    book.isFailed(0, FailureCode.timedOut, /in time/);
    nodes[1].replica.release();
    clock.advance(20);
    assert.equal(book.repeated, 0);
    assert.equal(nodes[0].mesh.peers()[0].inFlight, 0);
    assert.equal(nodes[0].mesh.isUp('b'), true);
  });

  it('tells the peer how long it waits, in whole milliseconds', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const heard: number[] = [];
    nodes[1].replica.read = (_key, timeoutMs, sink, token) => {
      heard.push(timeoutMs);
      sink.onReply(token, ABSENT);
    };
    const book = new ReplyBook();
    for (const [position, timeoutMs] of [1_000, 12.3, -5].entries()) {
      nodes[0].routes.read(1, key, timeoutMs, book, position);
    }
    clock.advance(30);
    assert.deepEqual(heard, [1_000, 13, 0]);
    assert.equal(book.replies.size, 3);
  });

  it('bounds the requests in flight to one peer', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b', 'c'], { limits: { maxInFlight: 10 } });
    const book = new ReplyBook();
    nodes[1].replica.holds = true;
    for (let position = 0; position < 15; position++) nodes[0].routes.read(1, key, 1_000, book, position);
    assert.equal(book.count(ReplyKind.failed), 5);
    book.isFailed(14, FailureCode.inFlightFull, /too many requests in flight/);
    nodes[0].routes.read(2, key, 1_000, book, 20);
    clock.advance(10);
    assert.equal(book.of(20).kind, ReplyKind.absent);
  });

  it('bounds the bytes queued for one peer, and a slow peer costs its own replies only', async () => {
    const limits = { maxQueuedBytes: 2 * MIB };
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b', 'c'], { limits });
    const book = new ReplyBook();
    network.freeze('b');
    let position = 0;
    for (let turn = 0; turn < 100; turn++) {
      writeTo(
        nodes[0].routes,
        [
          [1, position++],
          [2, position++],
        ],
        Buffer.from(`key${turn}`),
        Buffer.alloc(60_000),
        1_000,
        book,
      );
      clock.advance(3);
      assert.ok(nodes[0].mesh.peers()[0].queuedBytes <= 2 * MIB);
    }
    clock.advance(50);
    const full = [...book.replies].filter(
      ([at, reply]) => at % 2 === 0 && /queue .* is full/.test(reply.reason),
    );
    assert.ok(full.length > 50, `${full.length} refused`);
    assert.equal(book.count(ReplyKind.ok), 100);
  });

  it('counts a frozen peer as down after a while, and finds it again when it goes on', async () => {
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b']);
    const { mesh, routes, log } = nodes[0];
    const book = new ReplyBook();
    network.freeze('b');
    routes.read(1, key, 500, book, 0);
    routes.read(1, key, 60_000, book, 1);
    clock.advance(600);
    book.isFailed(0, FailureCode.timedOut, /in time/);
    assert.equal(mesh.isUp('b'), true);
    clock.advance(2_500);
    book.isFailed(1, FailureCode.peerLost, /no sign of life for 3000 ms/);
    assert.equal(mesh.isUp('b'), false);
    routes.read(1, key, 500, book, 2);
    book.isFailed(2, FailureCode.peerUnavailable, /node b is down: no sign of life/);
    clock.advance(20_000);
    assert.equal(log.matching(/Lost node b/).length, 1);
    network.thaw('b');
    clock.advance(3_100);
    assert.equal(mesh.isUp('b'), true);
    routes.read(1, key, 500, book, 3);
    clock.advance(20);
    assert.equal(book.of(3).kind, ReplyKind.absent);
    assert.equal(book.repeated, 0);
    assert.equal(nodes[1].replica.requests, 1, 'stale requests were lost with their connection');
  });

  it('keeps an idle connection', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const { since } = nodes[0].mesh.peers()[0];
    clock.advance(60_000);
    assert.deepEqual(nodes[0].mesh.peers()[0].since, since);
    assert.equal(nodes[1].server.connections, 1);
  });

  it('carries large values both ways while small requests pass them by', async () => {
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b']);
    const { mesh, routes } = nodes[0];
    network.bufferBytes = 16 * 1024;
    const value = Buffer.alloc(3 * MIB);
    for (let i = 0; i < value.length; i++) value[i] = i * 31 + (i >>> 8);
    const order: number[] = [];
    const book = new ReplyBook();
    const sink = {
      onReply(position: number, reply: Parameters<ReplyBook['onReply']>[1]) {
        order.push(position);
        book.onReply(position, reply);
      },
    };
    writeTo(routes, [[1, 0]], Buffer.from('large'), value, 10_000, sink);
    clock.advance(5);
    for (let position = 1; position <= 5; position++) {
      routes.read(1, key, 10_000, sink, position);
      clock.advance(5);
    }
    clock.advance(500);
    assert.deepEqual(order, [1, 2, 3, 4, 5, 0]);
    assert.ok(nodes[1].replica.records.get('large')?.equals(value));
    routes.read(1, Buffer.from('large'), 10_000, sink, 10);
    clock.advance(5);
    routes.read(1, key, 10_000, sink, 11);
    clock.advance(500);
    assert.deepEqual(order.slice(6), [11, 10]);
    const { record: read } = book.of(10);
    assert.ok(read !== null && value.equals(read));
    assert.equal(mesh.peers()[0].queuedBytes, 0);
  });

  it('cancels a large write that timed out: the rest is not sent, and the peer drops its part', async () => {
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b']);
    const { mesh, routes } = nodes[0];
    network.bufferBytes = 1_024;
    network.latencyMs = 20;
    const book = new ReplyBook();
    writeTo(routes, [[1, 0]], Buffer.from('slow'), Buffer.alloc(8 * MIB), 200, book);
    clock.advance(240);
    book.isFailed(0, FailureCode.timedOut, /in time/);
    assert.ok(mesh.peers()[0].queuedBytes < 256 * 1024);
    const next = Buffer.alloc(100_000, 3);
    writeTo(routes, [[1, 1]], Buffer.from('next'), next, 5_000, book);
    clock.advance(1_000);
    assert.equal(book.of(1).kind, ReplyKind.ok);
    assert.deepEqual([...nodes[1].replica.records.keys()], ['next']);
  });

  it('cancels large answers that come too late, as often as it takes', async () => {
    const { nodes, clock, network } = await RpcCluster.start(['a', 'b']);
    const { routes } = nodes[0];
    const book = new ReplyBook();
    nodes[1].replica.records.set('large', Buffer.alloc(8 * MIB));
    nodes[1].replica.records.set('other', Buffer.alloc(100_000, 5));
    network.bufferBytes = 1_024;
    network.latencyMs = 20;
    for (let position = 0; position < 5; position++) {
      routes.read(1, Buffer.from('large'), 300, book, position);
      clock.advance(340);
      book.isFailed(position, FailureCode.timedOut, /in time/);
    }
    routes.read(1, Buffer.from('other'), 2_000, book, 9);
    clock.advance(500);
    assert.equal(book.of(9).record?.length, 100_000);
    assert.equal(book.repeated, 0);
  });

  it('refuses values larger than the peer takes, and endless keys, without asking it', async () => {
    const hello = (nodeId: string) => (nodeId === 'b' ? { maxValueBytes: MIB } : {});
    const { nodes } = await RpcCluster.start(['a', 'b'], { hello });
    const book = new ReplyBook();
    writeTo(nodes[0].routes, [[1, 0]], key, Buffer.alloc(2 * MIB), 1_000, book);
    nodes[0].routes.read(1, Buffer.alloc(70_000), 1_000, book, 1);
    book.isFailed(0, FailureCode.tooLarge, /larger than the peer takes/);
    book.isFailed(1, FailureCode.keyTooLong, /key is too long/);
  });

  it('asks a peer for nothing that its feature bits do not show', async () => {
    const hello = (nodeId: string) => (nodeId === 'b' ? { features: 0 } : {});
    const { nodes, clock } = await RpcCluster.start(['a', 'b'], { hello });
    const book = new ReplyBook();
    nodes[0].mesh.ask(READ_VERSION, 'b', key, 1_000, book, 0);
    book.isFailed(0, FailureCode.notServed, /does not serve/);
    nodes[0].routes.read(1, key, 1_000, book, 1);
    clock.advance(10);
    assert.equal(book.of(1).kind, ReplyKind.absent);
  });

  it('brings records to replicas that lack them, small ones and large ones, behind what clients wait for', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const { mesh, routes } = nodes[0];
    const { replica } = nodes[1];
    const book = new ReplyBook();
    const large = Buffer.alloc(MIB, 7);
    const asked: string[] = [];
    const { read, repairWrite } = replica;
    replica.read = (...args) => {
      asked.push('read');
      read.apply(replica, args);
    };
    replica.repairWrite = (...args) => {
      asked.push('repairWrite');
      repairWrite.apply(replica, args);
    };
    mesh.repairWrite('b', key, record, 1_000, book, 0);
    mesh.repairWrite('b', Buffer.from('large'), large, 1_000, book, 1);
    routes.read(1, Buffer.from('other'), 1_000, book, 2);
    mesh.repairWrite('nobody', key, record, 1_000, book, 3);
    clock.advance(200);
    assert.deepEqual(asked, ['read', 'repairWrite', 'repairWrite']);
    assert.deepEqual(book.of(0), STORED);
    assert.deepEqual(book.of(1), STORED);
    book.isFailed(3, FailureCode.noSuchPeer, /./);
    assert.deepEqual(replica.records.get('key'), record);
    assert.deepEqual(replica.records.get('large'), large);
    assert.equal(replica.repaired, 2);
  });

  it('brings no record to a peer that does not serve it, or to which it is too large', async () => {
    const hello = (nodeId: string) => (nodeId === 'b' ? { features: 0 } : { maxValueBytes: MIB });
    const { nodes } = await RpcCluster.start(['a', 'b', 'c'], { hello });
    const book = new ReplyBook();
    nodes[0].mesh.repairWrite('b', key, record, 1_000, book, 0);
    nodes[0].mesh.repairWrite('c', key, Buffer.alloc(2 * MIB), 1_000, book, 1);
    book.isFailed(0, FailureCode.notServed, /does not serve/);
    book.isFailed(1, FailureCode.tooLarge, /larger than the peer takes/);
  });

  it('fails a read whose answer is a success without a record', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const book = new ReplyBook();
    nodes[1].replica.read = (_key, _timeoutMs, sink, token) => {
      sink.onReply(token, STORED);
    };
    nodes[0].routes.read(1, key, 1_000, book, 0);
    clock.advance(10);
    book.isFailed(0, FailureCode.protocol, /sent no record/);
  });

  it('fails a read that is answered as only a write can be, and a write that is answered as only a read can be', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const { routes } = nodes[0];
    const book = new ReplyBook();
    const { replica } = nodes[1];
    replica.read = (_key, _timeoutMs, sink, token) => sink.onReply(token, stale(5, 1));
    routes.read(1, key, 1_000, book, 0);
    replica.write = (_key, _record, sink, token) => sink.onReply(token, ABSENT);
    writeTo(routes, [[1, 1]], key, record, 1_000, book);
    clock.advance(10);
    replica.write = (_key, _record, sink, token) => sink.onReply(token, incomplete(record));
    writeTo(routes, [[1, 2]], key, record, 1_000, book);
    clock.advance(10);
    for (const position of [0, 1, 2]) book.isFailed(position, FailureCode.protocol, /none to this operation/);
  });

  it('tells how it stands with each peer', async () => {
    const cluster = await RpcCluster.start(['a', 'b', 'c']);
    cluster.nodes[2].server.abort();
    cluster.clock.advance(100);
    const [b, c] = cluster.nodes[0].mesh.peers();
    assert.deepEqual([b.id, b.state, b.incarnation, b.lastError], ['b', 'up', 'b-folder', null]);
    assert.deepEqual([c.id, c.state, c.incarnation], ['c', 'down', 'c-folder']);
    assert.notEqual(c.lastError, null);
    assert.ok(c.since > b.since);
  });

  it('dials a peer that was seen at once', async () => {
    const cluster = await RpcCluster.start(['a', 'b']);
    const { clock, nodes, network } = cluster;
    nodes[1].server.abort();
    clock.advance(30_000);
    assert.equal(nodes[0].mesh.isUp('b'), false);
    const accepted: string[] = [];
    const listener = await network.transport('b').listen('b', 7_000, () => accepted.push('dialled'));
    nodes[0].mesh.peerSeen('b');
    nodes[0].mesh.peerSeen('b');
    clock.advance(5);
    assert.deepEqual(accepted, ['dialled']);
    await listener.close();
  });

  it('closes after what is in flight, and takes nothing more', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b', 'c']);
    const { mesh, routes } = nodes[0];
    const book = new ReplyBook();
    nodes[1].replica.holds = true;
    routes.read(1, key, 1_000, book, 0);
    clock.advance(10);
    let closed = false;
    const closing = mesh.close().then(() => {
      closed = true;
    });
    routes.read(1, key, 1_000, book, 1);
    routes.read(2, key, 1_000, book, 2);
    book.isFailed(1, FailureCode.stopping, /stopping/);
    book.isFailed(2, FailureCode.stopping, /stopping/);
    clock.advance(100);
    await Promise.resolve();
    assert.equal(closed, false);
    nodes[1].replica.release();
    clock.advance(100);
    await closing;
    assert.equal(book.of(0).kind, ReplyKind.absent);
    clock.advance(5_000);
    assert.equal(nodes[1].server.connections, 1, 'only c is still connected');
  });

  it('aborts: what is in flight fails', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b']);
    const book = new ReplyBook();
    nodes[1].replica.holds = true;
    nodes[0].routes.read(1, key, 60_000, book, 0);
    clock.advance(10);
    const closing = nodes[0].mesh.close();
    nodes[0].mesh.abort();
    clock.advance(10);
    await closing;
    book.isFailed(0, FailureCode.peerLost, /stopping/);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailureCode } from '../../../../src/failure.ts';
import { ReplyKind } from '../../../../src/reply.ts';
import { FRAGMENT_BYTES } from '../../../../src/rpc/codec.ts';
import type { PeerAddress } from '../../../../src/rpc/peer.ts';
import { RpcServer } from '../../../../src/rpc/server.ts';
import { REQUEST_TIMEOUT_MS, RPC_PORT, RpcCluster, type RpcNode } from '../../../support/rpc-cluster.ts';
import { credentialsOf } from '../../../support/rpc-handshake.ts';
import { MapReplica, ReplyBook, TestPolicy, writeTo } from '../../../support/rpc-nodes.ts';

const key = Buffer.from('key');
const record = Buffer.from('a record');
const OTHER_PORT = 7_001;

/** The peers of a view, in its order; 'a' is the node that asks. */
function peersOf(nodeIds: string, port = RPC_PORT): (PeerAddress | null)[] {
  return [...nodeIds].map((id) => (id === 'a' ? null : { nodeId: id, host: id, port }));
}

async function start(nodeIds: string) {
  const cluster = await RpcCluster.start([...nodeIds]);
  const nodes = new Map(cluster.nodes.map((node) => [node.nodeId, node]));
  const of = (id: string): RpcNode => nodes.get(id)!;
  const { clock, network } = cluster;
  return { of, clock, network, mesh: of('a').mesh, routes: of('a').routes, log: of('a').log };
}

/** The nodes that got the write, each with how many requests it has had. */
function requestsOf(of: (id: string) => RpcNode, ids: string): string {
  return [...ids].map((id) => `${id}${of(id).replica.requests}`).join(' ');
}

describe('routes to peers', () => {
  it('name the nodes by the index of their own view, over connections that stay', async () => {
    const { of, clock, network, mesh, routes } = await start('abcd');
    const { openStreams } = network;
    const before = mesh.peers();
    const turned = mesh.setPeers(peersOf('dcab'));
    const book = new ReplyBook();
    routes.read(1, key, 500, book, 0);
    turned.read(1, key, 500, book, 1);
    clock.advance(10);
    assert.equal(requestsOf(of, 'bcd'), 'b1 c1 d0');
    turned.read(2, key, 500, book, 2);
    writeTo(turned, [[0, 3]], key, record, 500, book);
    clock.advance(10);
    assert.match(book.of(2).reason, /no such peer/);
    assert.equal(requestsOf(of, 'bcd'), 'b1 c1 d1');
    assert.equal(book.count(ReplyKind.absent), 2);
    assert.equal(book.of(3).kind, ReplyKind.ok);
    clock.advance(10 * REQUEST_TIMEOUT_MS);
    assert.deepEqual(
      mesh.peers().map(({ id, state, since }) => [id, state, since]),
      ['d', 'c', 'b'].map((id) => [id, 'up', before.find((peer) => peer.id === id)?.since]),
    );
    assert.equal(network.openStreams, openStreams);
  });

  it('read the clock once for a write, however many peers it goes to', async ({ mock }) => {
    const { clock, routes } = await start('abcde');
    const monotonicMs = mock.method(clock, 'monotonicMs');
    const book = new ReplyBook();
    const targets = [1, 2, 3, 4].map((node) => [node, node] as const);
    for (const bytes of [10, 2 * FRAGMENT_BYTES]) {
      monotonicMs.mock.resetCalls();
      writeTo(routes, targets, key, Buffer.alloc(bytes), 500, book);
      assert.equal(monotonicMs.mock.callCount(), 1, `${bytes} bytes`);
    }
    clock.advance(100);
    assert.equal(book.count(ReplyKind.ok), 4);
  });

  it('lead to a node that has left for as long as a request of their view may take', async () => {
    const { of, clock, mesh, routes, log } = await start('abc');
    const book = new ReplyBook();
    of('c').replica.holds = true;
    routes.read(2, key, 5_000, book, 0);
    clock.advance(10);
    const without = mesh.setPeers(peersOf('ab'));
    assert.deepEqual(
      mesh.peers().map(({ id }) => id),
      ['b'],
    );
    assert.equal(mesh.isUp('c'), false);
    without.read(2, key, 500, book, 1);
    assert.match(book.of(1).reason, /no such peer/);
    clock.advance(REQUEST_TIMEOUT_MS - 100);
    routes.read(2, key, 5_000, book, 2);
    clock.advance(200);
    assert.equal(of('c').replica.held, 2, 'what began before it left is asked');
    routes.read(2, key, 500, book, 3);
    assert.equal(book.of(3).code, FailureCode.peerUnavailable);
    assert.match(book.of(3).reason, /the cluster has changed/);
    assert.equal(of('c').server.connections, 2, 'what it was asked is waited for');
    of('c').replica.release();
    clock.advance(50);
    for (const position of [0, 2]) assert.equal(book.of(position).kind, ReplyKind.absent);
    assert.equal(of('c').server.connections, 1, 'b knows nothing of it and stays');
    assert.equal(book.repeated, 0);
    assert.deepEqual(log.matching(/warn|error/), []);
  });

  it('let what a node that has left does not answer time out, and then close its connection', async () => {
    const { of, clock, mesh, routes } = await start('abc');
    const book = new ReplyBook();
    of('c').replica.holds = true;
    routes.read(2, key, 2 * REQUEST_TIMEOUT_MS, book, 0);
    mesh.setPeers(peersOf('ab'));
    clock.advance(2 * REQUEST_TIMEOUT_MS - 50);
    assert.deepEqual([book.replies.size, of('c').server.connections], [0, 2]);
    clock.advance(100);
    assert.equal(book.of(0).code, FailureCode.timedOut);
    assert.equal(of('c').server.connections, 1);
  });

  it('do not dial a node again that has left the cluster', async () => {
    const { of, clock, network, mesh, routes, log } = await start('abc');
    const book = new ReplyBook();
    of('c').replica.holds = true;
    routes.read(2, key, 5_000, book, 0);
    clock.advance(10);
    mesh.setPeers(peersOf('ab'));
    network.cut((from, to) => from === 'a' && to === 'c');
    clock.advance(10);
    assert.equal(book.of(0).kind, ReplyKind.failed);
    clock.advance(20_000);
    routes.read(2, key, 500, book, 1);
    assert.match(book.of(1).reason, /the cluster has changed/);
    assert.equal(of('c').log.matching(/Node a connected/).length, 1);
    assert.deepEqual(log.matching(/warn|error/), []);
  });

  it('are there at once for a node that is new, and lead to it when it has been dialled', async () => {
    const { of, clock, mesh, log } = await start('abcd');
    mesh.setPeers(peersOf('ab'));
    clock.advance(2 * REQUEST_TIMEOUT_MS);
    assert.equal(of('d').server.connections, 2, 'of b and of c');
    const routes = mesh.setPeers(peersOf('dab'));
    const book = new ReplyBook();
    routes.read(0, key, 500, book, 0);
    assert.match(book.of(0).reason, /not yet connected/);
    clock.advance(20);
    assert.equal(mesh.isUp('d'), true);
    routes.read(0, key, 500, book, 1);
    clock.advance(10);
    assert.equal(book.of(1).kind, ReplyKind.absent);
    assert.equal(log.matching(/Connected to node d/).length, 2);
  });

  it('take a node that comes back before its connection is closed over that connection', async () => {
    const { of, clock, network, mesh, routes, log } = await start('abc');
    mesh.setPeers(peersOf('ab'));
    clock.advance(REQUEST_TIMEOUT_MS - 100);
    const again = mesh.setPeers(peersOf('acb'));
    clock.advance(10 * REQUEST_TIMEOUT_MS);
    const book = new ReplyBook();
    routes.read(2, key, 500, book, 0);
    again.read(1, key, 500, book, 1);
    clock.advance(10);
    assert.equal(book.count(ReplyKind.absent), 2);
    assert.equal(of('c').replica.requests, 2);
    assert.equal(log.matching(/Connected to node c/).length, 1);
    network.cut((from, to) => from === 'a' && to === 'c');
    clock.advance(50);
    assert.equal(log.matching(/warn Lost node c/).length, 1, 'and it is missed again');
    assert.equal(mesh.isUp('c'), true);
  });

  it('take a node that comes back while its old connection waits to be closed over a new one', async () => {
    const { of, clock, mesh, routes } = await start('abc');
    const book = new ReplyBook();
    of('c').replica.holds = true;
    routes.read(2, key, 10_000, book, 0);
    mesh.setPeers(peersOf('ab'));
    clock.advance(2 * REQUEST_TIMEOUT_MS);
    const again = mesh.setPeers(peersOf('abc'));
    clock.advance(20);
    assert.equal(mesh.isUp('c'), true);
    again.read(2, key, 500, book, 1);
    clock.advance(10);
    assert.equal(of('c').server.connections, 3);
    of('c').replica.release();
    clock.advance(50);
    assert.equal(book.count(ReplyKind.absent), 2);
    assert.equal(of('c').server.connections, 2);
  });

  it('lead to the new address of a node, and what began before is answered from the old one', async () => {
    const { of, clock, network, mesh, routes, log } = await start('abc');
    const moved = new MapReplica();
    const policy = new TestPolicy(of('c').policy.hello, ['a', 'b', 'c']);
    const server = new RpcServer({
      policy,
      credentials: credentialsOf(),
      transport: network.transport('c'),
      clock,
      log: of('c').log,
      handler: moved,
    });
    await server.listen('c', OTHER_PORT);
    const book = new ReplyBook();
    of('c').replica.holds = true;
    routes.read(2, key, 5_000, book, 0);
    clock.advance(10);
    const after = mesh.setPeers([null, ...peersOf('b'), ...peersOf('c', OTHER_PORT)]);
    clock.advance(20);
    assert.equal(mesh.isUp('c'), true);
    after.read(2, key, 500, book, 1);
    routes.read(2, key, 5_000, book, 2);
    clock.advance(10);
    assert.equal(moved.requests, 1);
    assert.equal(of('c').replica.held, 2);
    of('c').replica.release();
    clock.advance(2 * REQUEST_TIMEOUT_MS);
    assert.equal(book.count(ReplyKind.absent), 3);
    assert.equal(of('c').server.connections, 1, 'of b alone');
    assert.equal(server.connections, 1);
    assert.deepEqual(
      mesh.peers().map(({ id, state }) => [id, state]),
      [
        ['b', 'up'],
        ['c', 'up'],
      ],
    );
    assert.deepEqual(log.matching(/warn|error/), []);
  });

  it('end with the mesh, those of older views too', async () => {
    const { clock, mesh, routes, of } = await start('abc');
    const book = new ReplyBook();
    of('c').replica.holds = true;
    routes.read(2, key, 60_000, book, 0);
    clock.advance(10);
    mesh.setPeers(peersOf('ab'));
    let isClosed = false;
    const closing = mesh.close().then(() => {
      isClosed = true;
    });
    clock.advance(100);
    await Promise.resolve();
    assert.equal(isClosed, false, 'it waits for what a node that has left was asked');
    mesh.abort();
    clock.advance(10);
    await closing;
    assert.match(book.of(0).reason, /stopping/);
    mesh.setPeers(peersOf('abc'));
    clock.advance(1_000);
    assert.equal(of('c').server.connections, 1, 'nobody is dialled any more');
  });

  it('lead nowhere in a view without peers, and to all of them again in the next', async () => {
    const { of, clock, mesh } = await start('abc');
    const alone = mesh.setPeers(peersOf('a'));
    const book = new ReplyBook();
    alone.read(0, key, 500, book, 0);
    assert.match(book.of(0).reason, /no such peer/);
    clock.advance(2 * REQUEST_TIMEOUT_MS);
    assert.equal(of('b').server.connections, 1);
    assert.deepEqual(mesh.peers(), []);
    mesh.setPeers(peersOf('abc'));
    clock.advance(20);
    assert.deepEqual([mesh.isUp('b'), mesh.isUp('c')], [true, true]);
  });
});

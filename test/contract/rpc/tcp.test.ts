import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import type { Log } from '../../../src/log.ts';
import { ReplyKind } from '../../../src/reply.ts';
import type { RpcLimits } from '../../../src/rpc/limits.ts';
import { RpcMesh } from '../../../src/rpc/mesh.ts';
import type { PeerAddress } from '../../../src/rpc/peer.ts';
import type { PeerRoutes } from '../../../src/rpc/peer-routes.ts';
import { RpcServer } from '../../../src/rpc/server.ts';
import { TcpTransport } from '../../../src/rpc/tcp-transport.ts';
import { challengeFrame, credentialsOf, welcomeAnswer } from '../../support/rpc-handshake.ts';
import { helloOf, KeptLog, MapReplica, ReplyBook, TestPolicy, writeTo } from '../../support/rpc-nodes.ts';
import { until } from '../../support/until.ts';

const HOST = '127.0.0.1';
const MEMBERS = ['a', 'b', 'c'];
const key = Buffer.from('key');
const FAST: Partial<RpcLimits> = {
  pingAfterMs: 150,
  pongTimeoutMs: 250,
  handshakeTimeoutMs: 400,
  tickMs: 10,
};

function serve(nodeId: string, replica = new MapReplica(), log: Log = new KeptLog()): RpcServer {
  const policy = new TestPolicy(helloOf(nodeId), MEMBERS);
  const shared = {
    policy,
    credentials: credentialsOf(),
    transport: new TcpTransport(),
    clock: systemClock,
    log,
  };
  return new RpcServer({ ...shared, handler: replica });
}

function meshTo(
  peers: (PeerAddress | null)[],
  limits: Partial<RpcLimits> = {},
  log: Log = new KeptLog(),
): Dialler {
  const policy = new TestPolicy(helloOf('a'), MEMBERS);
  const shared = {
    policy,
    credentials: credentialsOf(),
    transport: new TcpTransport(),
    clock: systemClock,
    random: systemRandom,
    log,
    limits,
    requestTimeoutMs: 1_000,
  };
  return new Dialler(new RpcMesh(shared), peers);
}

class Dialler implements AsyncDisposable {
  readonly mesh: RpcMesh;
  readonly routes: PeerRoutes;

  constructor(mesh: RpcMesh, peers: (PeerAddress | null)[]) {
    this.mesh = mesh;
    this.routes = mesh.setPeers(peers);
    mesh.start();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.mesh.close();
  }
}

async function up(mesh: RpcMesh, nodeId: string): Promise<void> {
  await until(
    () => mesh.isUp(nodeId),
    30_000,
    () => JSON.stringify(mesh.peers()),
  );
}

async function replies(book: ReplyBook, count: number): Promise<void> {
  await until(
    () => book.replies.size >= count,
    30_000,
    () => `${book.replies.size} of ${count} replies`,
  );
}

const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

async function peerProcess(nodeId: string, port = 0): Promise<{ child: ChildProcess; port: number }> {
  const path = fileURLToPath(new URL('../../support/rpc-peer-process.ts', import.meta.url));
  const child = fork(path, [nodeId, String(port)], { execArgv: [] });
  children.push(child);
  const [bound] = await once(child, 'message');
  return { child, port: Number(bound) };
}

describe('rpc over tcp', () => {
  it('answers 5,000 requests at once', async () => {
    const replica = new MapReplica();
    await using server = serve('b', replica);
    await server.listen(HOST, 0);
    await using dialler = meshTo([null, { nodeId: 'b', host: HOST, port: server.port }]);
    const { mesh, routes } = dialler;
    await up(mesh, 'b');
    const book = new ReplyBook();
    for (let i = 0; i < 2_500; i++) {
      writeTo(routes, [[1, i]], Buffer.from(`key${i}`), Buffer.from(`record ${i}`), 10_000, book);
      routes.read(1, Buffer.from(`key${i}`), 10_000, book, 2_500 + i);
    }
    await replies(book, 5_000);
    assert.equal(book.count(ReplyKind.ok), 5_000);
    for (let i = 0; i < 2_500; i++) assert.equal(String(book.of(2_500 + i).record), `record ${i}`);
  });

  it('carries 16 MiB both ways while small requests pass', async () => {
    const replica = new MapReplica();
    await using server = serve('b', replica);
    await server.listen(HOST, 0);
    await using dialler = meshTo([null, { nodeId: 'b', host: HOST, port: server.port }]);
    const { mesh, routes } = dialler;
    await up(mesh, 'b');
    const value = Buffer.alloc(16 * 1024 * 1024);
    for (let i = 0; i < value.length; i++) value[i] = (i * 31) ^ (i >>> 9);
    const order: number[] = [];
    const book = new ReplyBook();
    const sink = {
      onReply(position: number, reply: Parameters<ReplyBook['onReply']>[1]) {
        order.push(position);
        book.onReply(position, reply);
      },
    };
    writeTo(routes, [[1, 0]], Buffer.from('large'), value, 10_000, sink);
    for (let position = 1; position <= 20; position++) routes.read(1, key, 10_000, sink, position);
    await replies(book, 21);
    assert.equal(order.at(-1), 0, 'the small requests were answered first');
    assert.ok(replica.records.get('large')?.equals(value));
    routes.read(1, Buffer.from('large'), 10_000, sink, 100);
    for (let position = 101; position <= 120; position++) routes.read(1, key, 10_000, sink, position);
    await replies(book, 42);
    assert.equal(order.at(-1), 100);
    const { record } = book.of(100);
    assert.ok(record !== null && value.equals(record));
  });

  it('survives a connection cut in the middle of a frame', async () => {
    const welcome = welcomeAnswer(helloOf('b'));
    let connections = 0;
    let isAsked = false;
    const dialledAgain = Promise.withResolvers<void>();
    const cutting = net.createServer((socket) => {
      // The last one is reset by whoever dialled it. `once` of node:events would make of that a rejection of its own.
      socket.on('error', () => {});
      socket.write(challengeFrame());
      if (++connections === 2) socket.once('data', () => dialledAgain.resolve());
      socket.once('data', () => {
        socket.write(welcome);
        socket.on('data', () => {
          // Half a response to the first request, and then nothing any more.
          if (isAsked) socket.end(Buffer.from([0, 0, 0, 28, 0x94, 5, 0xce, 0, 0]));
        });
      });
    });
    cutting.listen(0, HOST);
    await once(cutting, 'listening');
    const address = cutting.address();
    assert.ok(typeof address === 'object' && address !== null);
    const log = new KeptLog();
    const { mesh, routes } = meshTo([null, { nodeId: 'b', host: HOST, port: address.port }], {}, log);
    await up(mesh, 'b');
    const book = new ReplyBook();
    isAsked = true;
    for (let position = 0; position < 10; position++) routes.read(1, key, 60_000, book, position);
    await replies(book, 10);
    assert.equal(book.count(ReplyKind.failed), 10);
    assert.deepEqual(log.matching(/it sent/), []);
    await dialledAgain.promise;
    mesh.abort();
    await mesh.close();
    cutting.close();
  });

  it('closes a connection that speaks something else', async () => {
    const log = new KeptLog();
    await using server = serve('b', new MapReplica(), log);
    await server.listen(HOST, 0);
    const socket = net.connect({ host: HOST, port: server.port });
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: b\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    assert.equal(log.matching(/warn .*it sent a frame of/).length, 1);
  });

  it('notices a frozen peer, answers at once, and comes back when the peer goes on', async () => {
    const [b, c] = await Promise.all([peerProcess('b'), peerProcess('c')]);
    await using dialler = meshTo(
      [null, { nodeId: 'b', host: HOST, port: b.port }, { nodeId: 'c', host: HOST, port: c.port }],
      FAST,
    );
    const { mesh, routes } = dialler;
    await up(mesh, 'b');
    await up(mesh, 'c');
    const book = new ReplyBook();
    b.child.kill('SIGSTOP');
    routes.read(1, key, 60_000, book, 0);
    routes.read(2, key, 60_000, book, 1);
    await replies(book, 1);
    assert.equal(book.of(1).kind, ReplyKind.absent);
    await until(
      () => !mesh.isUp('b'),
      30_000,
      () => 'a frozen peer is still up',
    );
    assert.match(book.of(0).reason, /no sign of life/);
    routes.read(1, key, 60_000, book, 2);
    assert.match(book.of(2).reason, /no sign of life/);
    b.child.kill('SIGCONT');
    await up(mesh, 'b');
    routes.read(1, key, 5_000, book, 3);
    await replies(book, 4);
    assert.equal(book.of(3).kind, ReplyKind.absent);
    assert.equal(book.repeated, 0);
  });

  it('notices a killed peer at once, and finds its successor on the same port', async () => {
    const first = await peerProcess('b');
    await using dialler = meshTo([null, { nodeId: 'b', host: HOST, port: first.port }]);
    const { mesh, routes } = dialler;
    await up(mesh, 'b');
    const book = new ReplyBook();
    first.child.kill('SIGKILL');
    await until(
      () => !mesh.isUp('b'),
      30_000,
      () => 'a dead peer is still up',
    );
    routes.read(1, key, 1_000, book, 0);
    assert.match(book.of(0).reason, /node b is down/);
    assert.doesNotMatch(book.of(0).reason, /no sign of life/, 'its silence has not told');
    await peerProcess('b', first.port);
    await up(mesh, 'b');
    routes.read(1, key, 1_000, book, 1);
    await replies(book, 2);
    assert.equal(book.of(1).kind, ReplyKind.absent);
  });

  it('closes while requests are under way: all of them get their answers', async () => {
    const replica = new MapReplica();
    replica.holds = true;
    const server = serve('b', replica);
    await server.listen(HOST, 0);
    const { mesh, routes } = meshTo([null, { nodeId: 'b', host: HOST, port: server.port }]);
    await up(mesh, 'b');
    const book = new ReplyBook();
    for (let position = 0; position < 100; position++) routes.read(1, key, 10_000, book, position);
    await until(
      () => replica.held === 100,
      30_000,
      () => `${replica.held} held`,
    );
    const closing = Promise.all([server.close(), mesh.close()]);
    replica.release();
    await closing;
    assert.equal(book.count(ReplyKind.absent), 100);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Packr } from 'msgpackr/pack';
import { seededRandom } from '../../../../src/clock.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { ReplyKind } from '../../../../src/reply.ts';
import {
  encodeRefusal,
  encodeResponse,
  PING_FRAME,
  PONG_FRAME,
  responseBytes,
  writeFrameLength,
} from '../../../../src/rpc/codec.ts';
import { encodeHello } from '../../../../src/rpc/hello.ts';
import { RpcMesh } from '../../../../src/rpc/mesh.ts';
import { MessageKind } from '../../../../src/rpc/operations.ts';
import type { PeerRoutes } from '../../../../src/rpc/peer-routes.ts';
import type { ByteStream } from '../../../../src/rpc/transport.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../../../src/simulation/memory-network.ts';
import { answer, challengeFrame, credentialsOf, welcomeAnswer } from '../../../support/rpc-handshake.ts';
import { helloOf, KeptLog, ReplyBook, TestPolicy, writeTo } from '../../../support/rpc-nodes.ts';

const packr = new Packr({ useRecords: false });
const key = Buffer.from('key');
const welcome = welcomeAnswer(helloOf('b'));

function frame(...message: unknown[]): Buffer {
  const bytes = packr.pack(message);
  const length = Buffer.alloc(4);
  writeFrameLength(length, 0, bytes.length);
  return Buffer.concat([length, bytes]);
}

interface Setting {
  readonly clock: FakeClock;
  readonly mesh: RpcMesh;
  readonly routes: PeerRoutes;
  readonly log: KeptLog;
  /** What the mesh has dialled, oldest first, and whether each has been closed. */
  readonly dialled: { stream: ByteStream; closed: boolean; received: number }[];
}

/** A mesh whose one peer is played by hand; it gets `greeting` when it has said hello. */
async function setUp(greeting: Buffer | null): Promise<Setting> {
  const clock = new FakeClock();
  const network = new MemoryNetwork(clock, seededRandom(5));
  const log = new KeptLog();
  const dialled: Setting['dialled'] = [];
  await network.transport('b').listen('b', 7_000, (stream) => {
    const entry = { stream, closed: false, received: 0 };
    dialled.push(entry);
    stream.start({
      onOpen() {},
      onDrain() {},
      onData: (chunk) => {
        if (entry.received === 0 && greeting !== null) stream.write(greeting);
        entry.received += chunk.length;
      },
      onClose: () => {
        entry.closed = true;
      },
    });
    stream.write(challengeFrame());
  });
  const mesh = new RpcMesh({
    policy: new TestPolicy(helloOf('a'), ['a', 'b']),
    credentials: credentialsOf(),
    transport: network.transport('a'),
    clock,
    random: seededRandom(6),
    log,
    requestTimeoutMs: 1_000,
  });
  const routes = mesh.setPeers([null, { nodeId: 'b', host: 'b', port: 7_000 }]);
  mesh.start();
  clock.advance(20);
  return { clock, mesh, routes, log, dialled };
}

describe('peer', () => {
  const garbage: [string, Buffer][] = [
    ['a frame that is too long', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['malformed msgpack', Buffer.from([0, 0, 0, 1, 0xc1])],
    ['an unknown kind', frame(42)],
    ['a status that is unknown', frame(MessageKind.response, 1, 9, null)],
    ['a record of the wrong type', frame(MessageKind.response, 1, 0, 'text')],
    ['a request', frame(MessageKind.request, 1, 1, 1_000, key)],
    ['a hello', encodeHello(MessageKind.hello, helloOf('b'))],
    ['a second welcome', welcome],
    ['an endless message', frame(MessageKind.fragment, 1, 2 ** 31, 0, Buffer.alloc(9))],
  ];
  for (const [what, bytes] of garbage) {
    it(`closes a connection on which ${what} comes, fails what is in flight, and dials again`, async () => {
      const { clock, mesh, routes, log, dialled } = await setUp(welcome);
      const book = new ReplyBook();
      routes.read(1, key, 60_000, book, 0);
      clock.advance(5);
      dialled[0].stream.write(bytes);
      clock.advance(60);
      assert.equal(dialled[0].closed, true);
      assert.equal(book.of(0).kind, ReplyKind.failed);
      assert.equal(log.matching(/warn Closed the connection to node b at b:7000: it sent/).length, 1);
      assert.equal(dialled.length, 2);
      assert.equal(mesh.isUp('b'), true);
    });
  }

  it('takes no answer before the handshake', async () => {
    const response = Buffer.alloc(4 + responseBytes(null));
    encodeResponse(response, 0, 1, ReplyKind.ok, null);
    for (const early of [response, Buffer.from(PONG_FRAME)]) {
      const { log, mesh } = await setUp(early);
      assert.ok(log.matching(/it sent/).length > 0);
      assert.equal(mesh.peers()[0].state, 'down');
    }
  });

  it('gives up on a peer that accepts and says nothing, and keeps trying', async () => {
    const { clock, mesh, dialled } = await setUp(null);
    assert.equal(mesh.peers()[0].state, 'connecting');
    clock.advance(2_100);
    assert.equal(dialled[0].closed, true);
    assert.equal(mesh.peers()[0].state, 'down');
    assert.match(mesh.peers()[0].lastError ?? '', /no handshake within 2000 ms/);
    clock.advance(4_200);
    assert.ok(dialled.length >= 3);
  });

  it('answers with a refusal that comes instead of a welcome', async () => {
    const { mesh } = await setUp(answer(() => encodeRefusal('Nodes a and b are not alike')));
    assert.equal(mesh.peers()[0].state, 'refused');
    assert.equal(mesh.peers()[0].lastError, 'Nodes a and b are not alike');
  });

  it('passes over answers to requests that it never sent', async () => {
    const { clock, mesh, dialled } = await setUp(welcome);
    dialled[0].stream.write(frame(MessageKind.response, 77, 0, Buffer.from('record')));
    clock.advance(10);
    assert.equal(mesh.isUp('b'), true);
  });

  it('takes an answer with a record for no acknowledgement of a write', async () => {
    const { clock, routes, dialled } = await setUp(welcome);
    const book = new ReplyBook();
    writeTo(routes, [[1, 0]], key, Buffer.from('record'), 1_000, book);
    clock.advance(5);
    dialled[0].stream.write(frame(MessageKind.response, 1, 0, Buffer.from('unasked')));
    clock.advance(5);
    assert.deepEqual(book.of(0).code, FailureCode.protocol);
  });

  it('takes any frame as a sign of life, and silence after a ping as the end', async () => {
    const { clock, dialled, log } = await setUp(welcome);
    const hello = dialled[0].received;
    clock.advance(1_100);
    assert.equal(dialled[0].received, hello + PING_FRAME.length);
    clock.advance(1_800);
    dialled[0].stream.write(PONG_FRAME);
    clock.advance(2_900);
    assert.equal(dialled[0].closed, false);
    clock.advance(200);
    assert.equal(dialled[0].closed, true);
    assert.equal(log.matching(/Lost node .*no sign of life for 3000 ms/).length, 1);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { FailureCode } from '../../../src/failure.ts';
import { claimOf, infoOf } from '../../../src/peer-http/connection-proof.ts';
import { STORED } from '../../../src/reply.ts';
import { resetSocket } from '../../../src/reset-socket.ts';
import { HttpPair } from './harness.ts';

const RECORD = Buffer.from('a record of sixteen bytes and more');
const STORED_ANSWER = 'HTTP/1.1 201 Created\r\nQuorate-Reply: ok\r\nContent-Length: 0\r\n\r\n';

/** What the peer sends for each message that comes on a connection, the proof being the first; null: it closes. */
type Script = (socket: Socket, message: string, index: number) => string | null;

/** A peer by hand in place of node 'b': it proves itself as the pair's key allows, and then does what it likes. */
class PeerByHand implements AsyncDisposable {
  readonly messages: string[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(pair: HttpPair, script: Script) {
    this.#server = createServer((socket) => {
      this.connections++;
      this.#sockets.add(socket);
      let index = 0;
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        const message = chunk.toString('latin1');
        this.messages.push(message);
        const answer = script(socket, message, index++);
        if (answer === null) socket.destroy();
        else socket.write(answer.replace('PROOF', () => proofFor(pair, message)));
      });
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const PROVED = 'HTTP/1.1 204 No Content\r\nAuthentication-Info: PROOF\r\n\r\n';

function proofFor(pair: HttpPair, message: string): string {
  const claim = claimOf(/^Authorization: (.*)\r$/m.exec(message)?.[1]);
  return infoOf(pair.key, claim?.number ?? 0);
}

/** Proves itself, and answers each request so. */
function answering(answer: string | null): Script {
  return (_socket, _message, index) => (index === 0 ? PROVED : answer);
}

describe('a call over HTTP', () => {
  it('tells a peer nothing that does not prove itself', async () => {
    const wrong = [
      'HTTP/1.1 204 No Content\r\n\r\n',
      `HTTP/1.1 204 No Content\r\nAuthentication-Info: Quorate ${'0'.repeat(64)}\r\n\r\n`,
      PROVED.replace('204 No Content', '404 Not Found'),
      PROVED.replace('PROOF', 'PROOF\r\nAuthentication-Info: PROOF'),
      `${PROVED}HTTP/1.1 201 Created\r\n\r\n`,
      'x'.repeat(2_000),
      null,
    ];
    for (const answer of wrong) {
      await using pair = await HttpPair.start();
      await using peer = new PeerByHand(pair, () => answer);
      pair.meet(await peer.listen());
      const { code } = await pair.answered(pair.write('key', RECORD));
      assert.equal(code, FailureCode.peerUnavailable, String(answer));
      assert.equal(peer.messages.length, 1);
      assert.doesNotMatch(peer.messages[0], /record|key=/);
    }
  });

  it('believes no proof of another connection', async () => {
    await using pair = await HttpPair.start({ maxConnections: 2 });
    const first = Promise.withResolvers<string>();
    await using peer = new PeerByHand(pair, (socket, message) => {
      if (message.includes(' 1 ')) first.resolve(proofFor(pair, message));
      else void first.promise.then((proof) => socket.write(PROVED.replace('PROOF', proof)));
      return '';
    });
    pair.meet(await peer.listen());
    const positions = [pair.read('key'), pair.read('key')];
    const { code, reason } = await pair.answered(positions[1]);
    assert.equal(code, FailureCode.peerUnavailable);
    assert.match(reason, /does not prove that it is the other end of the session/);
  });

  it('fails at once when nobody listens, and in time when nobody answers the proof', async () => {
    await using pair = await HttpPair.start({ connectTimeoutMs: 300, maxConnections: 1 });
    const peer = new PeerByHand(pair, () => '');
    const port = await peer.listen();
    pair.meet(port);
    const [first, second] = [pair.read('key', 1_000), pair.read('key', 320)];
    await pair.until(() => peer.messages.length === 1, 'no connection is made');
    pair.clock.advance(320);
    const { code, reason } = await pair.answered(first);
    assert.equal(code, FailureCode.peerUnavailable);
    assert.match(reason, /no connection to 127\.0\.0\.1:\d+ within 300 ms/);
    pair.book.isFailed(second, FailureCode.timedOut, /in time/);
    await peer[Symbol.asyncDispose]();
    const refused = await pair.answered(pair.write('key', RECORD));
    assert.equal(refused.code, FailureCode.peerUnavailable);
    assert.match(refused.reason, /ECONNREFUSED/);
  });

  it('is sent once more when its idle connection turns out to be closed', async () => {
    await using pair = await HttpPair.start({ maxConnections: 1 });
    // Each connection serves one request. It is closed when the second comes, as by a peer that closes it meanwhile.
    await using peer = new PeerByHand(
      pair,
      (_socket, _message, index) => [PROVED, STORED_ANSWER, null][index],
    );
    pair.meet(await peer.listen());
    assert.deepEqual(await pair.answered(pair.write('key', RECORD)), STORED);
    assert.deepEqual(await pair.answered(pair.write('key', RECORD)), STORED);
    assert.equal(peer.connections, 2);
    assert.equal(peer.messages.filter((message) => message.startsWith('PUT')).length, 3);
  });

  it('passes over connections that were reset while they were idle', async () => {
    await using pair = await HttpPair.start({ maxConnections: 1 });
    const sockets = new Set<Socket>();
    await using peer = new PeerByHand(pair, (socket, _message, index) => {
      sockets.add(socket);
      return index === 0 ? PROVED : STORED_ANSWER;
    });
    pair.meet(await peer.listen());
    for (let i = 1; i <= 3; i++) {
      assert.deepEqual(await pair.answered(pair.write('key', RECORD)), STORED);
      assert.equal(peer.connections, i);
      for (const socket of sockets) resetSocket(socket);
      sockets.clear();
    }
  });

  it('is lost, and not sent again, when a connection breaks that was made for it', async () => {
    await using pair = await HttpPair.start({ maxConnections: 1 });
    await using peer = new PeerByHand(pair, answering(null));
    pair.meet(await peer.listen());
    const { code } = await pair.answered(pair.write('key', RECORD));
    assert.equal(code, FailureCode.peerLost);
    assert.equal(peer.connections, 1);
  });

  it('is lost when the replica fails at it, and the room for its record is free again', async () => {
    await using pair = await HttpPair.start({ maxQueuedBytes: RECORD.length });
    const { replica } = pair;
    const write = replica.write.bind(replica);
    replica.write = () => {
      throw new Error('a fault of the replica');
    };
    for (let i = 0; i < 3; i++)
      assert.equal((await pair.answered(pair.write('key', RECORD))).code, FailureCode.peerLost);
    replica.write = write;
    assert.deepEqual(await pair.answered(pair.write('key', RECORD)), STORED);
    assert.equal(pair.log.matching(/node a over HTTP failed: a fault of the replica/).length, 3);
  });

  it('takes only the whole answer of a replica for one', async () => {
    const head = 'HTTP/1.1 200 OK\r\nQuorate-Reply: ok\r\n';
    const wrong: [string, FailureCode][] = [
      ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', FailureCode.protocol],
      ['HTTP/1.1 200 OK\r\nQuorate-Reply: fine\r\nContent-Length: 3\r\n\r\nabc', FailureCode.protocol],
      ['HTTP/1.1 500 No\r\nQuorate-Reply: failed\r\nContent-Length: 0\r\n\r\n', FailureCode.protocol],
      [
        'HTTP/1.1 500 No\r\nQuorate-Reply: failed\r\nQuorate-Failure: 0\r\nContent-Length: 0\r\n\r\n',
        FailureCode.protocol,
      ],
      [`${head}Content-Length: 0\r\n\r\n`, FailureCode.protocol],
      [`${head}Content-Length: 3000000\r\n\r\n${'x'.repeat(2_200_000)}`, FailureCode.protocol],
      ['SSH-2.0-OpenSSH\r\n\r\n', FailureCode.peerLost],
    ];
    for (const [answer, code] of wrong) {
      await using pair = await HttpPair.start();
      await using peer = new PeerByHand(pair, answering(answer));
      pair.meet(await peer.listen());
      assert.equal((await pair.answered(pair.read('key'))).code, code, answer.slice(0, 100));
      assert.equal(pair.book.repeated, 0);
    }
    await using pair = await HttpPair.start();
    await using peer = new PeerByHand(pair, (socket, _message, index) => {
      if (index === 0) return PROVED;
      socket.end(`${head}Content-Length: 30\r\n\r\nhalf`);
      return '';
    });
    pair.meet(await peer.listen());
    assert.equal((await pair.answered(pair.read('key'))).code, FailureCode.peerLost);
  });

  it('and the connections beside it survive a peer that goes away while they are idle', async () => {
    await using pair = await HttpPair.start({ maxConnections: 3 });
    pair.replica.holds = true;
    const positions = [pair.read('key'), pair.read('key'), pair.read('key')];
    await pair.until(() => pair.replica.held === 3, 'the requests do not come');
    pair.replica.release();
    for (const position of positions) await pair.answered(position);
    pair.replica.holds = false;
    pair.serving.abort();
    await pair.serving.close();
    const { code } = await pair.answered(pair.read('key'));
    assert.ok(code === FailureCode.peerUnavailable, `${code}`);
  });
});

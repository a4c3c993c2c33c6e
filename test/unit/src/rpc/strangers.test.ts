/** What the handshake keeps out, and how little somebody learns who does not know the cluster's secret. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/clock.ts';
import { Authentication } from '../../../../src/rpc/authentication.ts';
import { ClusterSecret } from '../../../../src/rpc/cluster-secret.ts';
import { encodeRefusal, PING_FRAME } from '../../../../src/rpc/codec.ts';
import { encodeHello } from '../../../../src/rpc/hello.ts';
import { RpcMesh } from '../../../../src/rpc/mesh.ts';
import { MessageKind } from '../../../../src/rpc/operations.ts';
import type { ByteStream } from '../../../../src/rpc/transport.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../../../src/simulation/memory-network.ts';
import { RpcCluster } from '../../../support/rpc-cluster.ts';
import {
  answer,
  challengeFrame,
  credentialsOf,
  greeting,
  welcomeAnswer,
} from '../../../support/rpc-handshake.ts';
import { helloOf, KeptLog, TestPolicy } from '../../../support/rpc-nodes.ts';
import { type RawPeer, readFrame, serveByHand } from '../../../support/rpc-server-by-hand.ts';

const OTHER_SECRET = 'the secret of another cluster, as long';

/** Draws other bytes for each connection, as a node does. */
function freshCredentials() {
  let drawn = 0;
  return { ...credentialsOf(), drawBytes: (count: number) => Buffer.alloc(count, ++drawn) };
}

describe('a listener', () => {
  const attempts: [string, (peer: RawPeer) => void][] = [
    ['says nothing', () => {}],
    ['proves another secret', (peer) => peer.stream.write(greeting(helloOf('b'), OTHER_SECRET))],
    ['sends a hello at once', (peer) => peer.stream.write(encodeHello(MessageKind.hello, helloOf('b')))],
    ['asks at once', (peer) => peer.stream.write(readFrame(1))],
    ['refuses', (peer) => peer.stream.write(encodeRefusal('because'))],
    ['pings', (peer) => peer.stream.write(PING_FRAME)],
    ['challenges', (peer) => peer.stream.write(challengeFrame())],
    ['sends a seal alone', (peer) => peer.send(MessageKind.seal, Buffer.alloc(32))],
    [
      'sends a proof that is too short',
      (peer) => peer.send(MessageKind.proof, Buffer.alloc(32), Buffer.alloc(31)),
    ],
    [
      'sends a proof without a nonce',
      (peer) => peer.send(MessageKind.proof, Buffer.alloc(0), Buffer.alloc(32)),
    ],
    ['speaks HTTP', (peer) => peer.stream.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
  ];
  for (const [what, attempt] of attempts) {
    it(`tells a dialler that ${what} nothing but the bytes it has drawn, and hangs up`, async () => {
      const { clock, dial, log, policy, replica, server } = await serveByHand();
      const peer = dial();
      attempt(peer);
      clock.advance(1_100);
      assert.deepEqual(peer.messages, [[MessageKind.challenge, 'quorate-rpc', 1, Buffer.alloc(32, 7)]]);
      assert.notEqual(peer.closed, null);
      assert.deepEqual([replica.requests, policy.judged, server.connections], [0, 0, 0]);
      assert.ok(log.lines.length <= 1, log.lines.join('\n'));
    });
  }

  it('accepts no proof twice: a proof that was overheard is worth nothing', async () => {
    const { clock, dial, policy, log } = await serveByHand({}, freshCredentials());
    const first = dial();
    const listener = new Authentication('listener', {
      ...credentialsOf(),
      drawBytes: (n) => Buffer.alloc(n, 1),
    });
    const dialler = new Authentication('dialler', credentialsOf());
    const proof = dialler.onChallenge(listener.challenge().subarray(4));
    const recorded = Buffer.concat([proof, dialler.sealed(encodeHello(MessageKind.hello, helloOf('b')))]);
    first.stream.write(recorded);
    clock.advance(10);
    assert.equal(policy.met.length, 1);
    const second = dial();
    second.stream.write(recorded);
    clock.advance(10);
    assert.equal(policy.met.length, 1);
    assert.notEqual(second.closed, null);
    assert.equal(first.closed, null);
    assert.equal(log.matching(/does not know this node's cluster secret/).length, 1);
  });

  const forgeries: [string, (sealed: Buffer, hello: Buffer) => Buffer][] = [
    ['without its seal', (_sealed, hello) => hello],
    ['with one other byte', (sealed) => changed(sealed, sealed.length - 5)],
    ['with another seal', (sealed) => changed(sealed, 20)],
    [
      'with the seal of another',
      (sealed) => Buffer.concat([sealed.subarray(0, 40), encodeHello(MessageKind.hello, helloOf('c'))]),
    ],
    [
      'that is a welcome',
      (sealed) => Buffer.concat([sealed.subarray(0, 40), encodeHello(MessageKind.welcome, helloOf('b'))]),
    ],
  ];
  for (const [what, forge] of forgeries) {
    it(`does not believe a hello ${what}`, async () => {
      const { clock, dial, policy, log } = await serveByHand();
      const peer = dial();
      const dialler = new Authentication('dialler', credentialsOf());
      const hello = encodeHello(MessageKind.hello, helloOf('b'));
      peer.stream.write(dialler.onChallenge(challengeFrame().subarray(4)));
      clock.advance(10);
      peer.stream.write(forge(dialler.sealed(hello), hello));
      clock.advance(10);
      assert.notEqual(peer.closed, null);
      assert.deepEqual([policy.judged, policy.met.length], [0, 0]);
      assert.equal(
        log.matching(/it sent a hello that does not match its seal|from the side that asks/).length,
        1,
      );
    });
  }

  it('refuses a hello that was meant for another node', async () => {
    const { clock, dial, policy } = await serveByHand();
    const peer = dial();
    peer.stream.write(greeting(helloOf('b', { addressee: 'c' })));
    clock.advance(10);
    assert.match(String(peer.messages.at(-1)?.[1]), /Node b looked for node c and met node a/);
    assert.equal(policy.met.length, 0);
  });

  it('keeps places for members: neither idle connections nor a flood of new ones keep one out', async () => {
    const { clock, connect, dial, log, server } = await serveByHand({ maxHandshakes: 10 });
    const before = connect('b');
    const idle = Array.from({ length: 50 }, () => dial());
    assert.ok(server.connections <= 11, `${server.connections} connections`);
    assert.ok(idle.filter(({ closed }) => closed === null).length <= 10);
    const member = connect('c');
    before.read(1);
    member.read(2);
    clock.advance(10);
    assert.deepEqual([before.messages.length, member.messages.length], [1, 1]);
    assert.equal(log.matching(/warn Closed a connection from b whose handshake was not over/).length, 1);
    clock.advance(1_100);
    assert.equal(server.connections, 2);
  });
});

describe('a dialler', () => {
  /** What a mesh sends to a listener that is played by hand. */
  async function dialled(
    behind: (stream: ByteStream) => void,
  ): Promise<{ sent: Buffer; mesh: RpcMesh; log: KeptLog }> {
    const clock = new FakeClock();
    const network = new MemoryNetwork(clock, seededRandom(3));
    const log = new KeptLog();
    const chunks: Buffer[] = [];
    await network.transport('b').listen('b', 7_000, (stream) => {
      stream.start({
        onOpen() {},
        onDrain() {},
        onData: (chunk) => void chunks.push(chunk),
        onClose() {},
      });
      stream.write(challengeFrame());
      behind(stream);
    });
    const mesh = new RpcMesh({
      policy: new TestPolicy(helloOf('a'), ['a', 'b']),
      credentials: credentialsOf(),
      transport: network.transport('a'),
      clock,
      random: seededRandom(6),
      log,
      limits: {
        refusedMinMs: 100_000,
        refusedMaxMs: 100_000,
        reconnectMinMs: 100_000,
        reconnectMaxMs: 100_000,
      },
      requestTimeoutMs: 1_000,
    });
    mesh.setPeers([null, { nodeId: 'b', host: 'b', port: 7_000 }]);
    mesh.start();
    clock.advance(3_000);
    return { sent: Buffer.concat(chunks), mesh, log };
  }

  const proof = new Authentication('dialler', credentialsOf()).onChallenge(challengeFrame().subarray(4));
  const impostors: [string, (stream: ByteStream) => void, RegExp][] = [
    ['says nothing', () => {}, /no handshake within 2000 ms/],
    ['hangs up', (stream) => stream.end(), /does not prove that it knows this node's cluster secret/],
    [
      'proves another secret',
      (stream) => stream.write(welcomeAnswer(helloOf('b'), OTHER_SECRET)),
      /does not prove/,
    ],
    [
      "sends the dialler's own proof back",
      (stream) =>
        stream.write(
          Buffer.concat([Buffer.from([0, 0, 0, 38, 0x93, 12, 0xc4, 0, 0xc4, 32]), proof.subarray(-32)]),
        ),
      /does not prove/,
    ],
    [
      'sends a welcome at once',
      (stream) => stream.write(encodeHello(MessageKind.welcome, helloOf('b'))),
      /a frame/,
    ],
    [
      'refuses at once',
      (stream) => stream.write(encodeRefusal('Nodes a and b are not alike')),
      /before the proof/,
    ],
    ['challenges twice', (stream) => stream.write(challengeFrame()), /a second challenge/],
  ];
  for (const [what, behind, reason] of impostors) {
    it(`tells a listener that ${what} nothing but its proof, and does not believe it`, async () => {
      const { sent, mesh } = await dialled(behind);
      assert.equal(sent.toString('hex'), proof.subarray(0, sent.length).toString('hex'));
      assert.notEqual(mesh.peers()[0].state, 'up');
      assert.match(mesh.peers()[0].lastError ?? '', reason);
    });
  }

  it('does not believe a welcome that does not match its seal', async () => {
    const genuine = welcomeAnswer(helloOf('b'));
    const { mesh } = await dialled((stream) => stream.write(changed(genuine, genuine.length - 3)));
    assert.match(mesh.peers()[0].lastError ?? '', /a hello that does not match its seal/);
  });

  it('takes a refuse from a listener that has proved itself', async () => {
    const { mesh } = await dialled((stream) =>
      stream.write(answer(() => encodeRefusal('Nodes a and b differ'))),
    );
    assert.deepEqual([mesh.peers()[0].state, mesh.peers()[0].lastError], ['refused', 'Nodes a and b differ']);
  });

  const afterwards: [string, () => Buffer, RegExp][] = [
    ['welcomes it again', () => welcomeAnswer(helloOf('b')), /a second proof/],
    [
      'welcomes it again, without a proof',
      () => encodeHello(MessageKind.welcome, helloOf('b')),
      /a second handshake/,
    ],
    [
      'asks over the same connection',
      () => readFrame(1),
      new RegExp(`a message of kind ${MessageKind.request} from the side that answers`),
    ],
    ['challenges it again', challengeFrame, /a second challenge/],
  ];
  for (const [what, frames, reason] of afterwards) {
    it(`hangs up on a listener that it knows and that ${what}`, async () => {
      const welcome = welcomeAnswer(helloOf('b'));
      const { log, mesh } = await dialled((stream) => stream.write(Buffer.concat([welcome, frames()])));
      assert.equal(log.matching(/info Connected to node b/).length, 1);
      assert.equal(mesh.peers()[0].state, 'down');
      assert.match(mesh.peers()[0].lastError ?? '', reason);
      assert.equal(log.matching(/warn Closed the connection to node b at b:7000: it sent a /).length, 1);
    });
  }

  it('knows another version of the handshake when it meets one', async () => {
    const frame = challengeFrame();
    frame[18] = 2;
    const authentication = new Authentication('dialler', credentialsOf());
    assert.throws(
      () => authentication.onChallenge(frame.subarray(4)),
      /handshake version 2, where this node knows 1/,
    );
  });
});

describe('nodes with two secrets', () => {
  it('say so on both sides, once a minute, and never meet', async () => {
    const { nodes, clock } = await RpcCluster.start(['a', 'b'], {
      secret: (nodeId) => (nodeId === 'a' ? OTHER_SECRET : 'the secret that is the right one, for b'),
    });
    clock.advance(30_000);
    for (const { log, mesh, policy } of nodes) {
      const [peer] = mesh.peers();
      assert.equal(peer.state, 'refused');
      assert.match(
        peer.lastError ?? '',
        /does not prove that it knows this node's cluster secret.*--cluster-secret-file/,
      );
      assert.deepEqual([policy.judged, policy.met.length], [0, 0]);
      assert.equal(log.matching(/warn Refused node [ab] at [ab]:7000: it does not prove/).length, 1);
      assert.equal(
        log.matching(
          /warn Closed the connection from [ab]:dialled: it does not know this node's cluster secret; /,
        ).length,
        1,
      );
      assert.equal(log.lines.length, 2, log.lines.join('\n'));
    }
  });

  it('refuse each other when one of them has none', () => {
    const drawBytes = (count: number) => Buffer.alloc(count, 7);
    const listener = new Authentication('listener', credentialsOf());
    const dialler = new Authentication('dialler', { secret: ClusterSecret.none, drawBytes });
    assert.equal(listener.onProof(dialler.onChallenge(listener.challenge().subarray(4)).subarray(4)), false);
    const without = new Authentication('listener', { secret: ClusterSecret.none, drawBytes });
    const withOne = new Authentication('dialler', credentialsOf());
    assert.equal(without.onProof(withOne.onChallenge(without.challenge().subarray(4)).subarray(4)), false);
  });
});

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] ^= 1;
  return copy;
}

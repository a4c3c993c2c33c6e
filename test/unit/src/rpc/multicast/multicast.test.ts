import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../../src/clock.ts';
import { FailureCode } from '../../../../../src/failure.ts';
import { ReplyKind } from '../../../../../src/reply.ts';
import { datagramBytes } from '../../../../../src/rpc/multicast/datagram-codec.ts';
import type {
  DatagramTransport,
  GroupReceiver,
  GroupSender,
  MulticastGroup,
} from '../../../../../src/rpc/multicast/datagram-transport.ts';
import { groupOf } from '../../../../../src/rpc/multicast/group.ts';
import { Multicast } from '../../../../../src/rpc/multicast/multicast.ts';
import { FEATURES } from '../../../../../src/rpc/operation-table.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';
import { type MemoryDatagrams, NO_FAULTS } from '../../../../support/memory-datagrams.ts';
import { RPC_PORT, RpcCluster, type RpcClusterOptions } from '../../../../support/rpc-cluster.ts';
import { credentialsOf } from '../../../../support/rpc-handshake.ts';
import { KeptLog, ReplyBook, writeTo } from '../../../../support/rpc-nodes.ts';

const [, B, C] = [0, 1, 2];
const TIMEOUT_MS = 1_000;

/** Three nodes, the first of which writes. */
class Scene {
  readonly cluster: RpcCluster;
  readonly datagrams: MemoryDatagrams;
  readonly book = new ReplyBook();
  /** How long the answers to writes are waited for. */
  timeoutMs = TIMEOUT_MS;
  #asked = 0;

  private constructor(cluster: RpcCluster) {
    this.cluster = cluster;
    assert.ok(cluster.datagrams !== null);
    this.datagrams = cluster.datagrams;
  }

  static async start(options: RpcClusterOptions = {}, nodeIds = ['a', 'b', 'c']): Promise<Scene> {
    return new Scene(await RpcCluster.start(nodeIds, { isMulticast: true, ...options }));
  }

  get clock(): FakeClock {
    return this.cluster.clock;
  }

  /** @returns the positions of the answers */
  write(key: string, bytes = 20, nodes: readonly number[] = [B, C]): number[] {
    const targets = nodes.map((node) => [node, this.#asked++] as const);
    const record = Buffer.alloc(bytes, key);
    writeTo(this.cluster.nodes[0].routes, targets, Buffer.from(key), record, this.timeoutMs, this.book);
    return targets.map(([, position]) => position);
  }

  /** Writes, and lets time pass until the answers can be there. */
  writeAndWait(key: string, bytes?: number, nodes?: readonly number[]): void {
    const positions = this.write(key, bytes, nodes);
    this.clock.advance(10);
    for (const position of positions) assert.equal(this.book.of(position).kind, ReplyKind.ok, key);
  }

  served(node: number, key: string): number {
    return this.cluster.nodes[node].replica.writes.get(key) ?? 0;
  }

  figures(node: number): Multicast['figures'] {
    const { multicast } = this.cluster.nodes[node];
    assert.ok(multicast !== null);
    return multicast.figures;
  }

  /** What the first node has found out about its way to another. */
  path(nodeId: string): { isUsed: boolean; sent: number; resent: number } {
    const path = this.figures(0).sent.peers.find(({ id }) => id === nodeId);
    assert.ok(path !== undefined);
    return path;
  }

  /** Writes until nothing goes to node b by datagram any more. */
  writeUntilRest(timeoutsMs: readonly number[]): void {
    for (let i = 0; i < 60 && this.path('b').isUsed; i++) {
      this.timeoutMs = timeoutsMs[i % timeoutsMs.length];
      this.write(`until rest ${i}`);
      this.clock.advance(20);
    }
    assert.ok(!this.path('b').isUsed, 'datagrams are sent on and on');
  }

  groupOf(nodeId: string): ReturnType<typeof groupOf> {
    return groupOf('cluster-1', nodeId, RPC_PORT);
  }
}

describe('a write by multicast', () => {
  it('is one datagram for all peers, and is answered over their connections', async () => {
    const scene = await Scene.start();
    scene.writeAndWait('k1');
    assert.equal(scene.datagrams.sent, 1);
    assert.deepEqual([scene.served(B, 'k1'), scene.served(C, 'k1')], [1, 1]);
    assert.equal(scene.cluster.nodes[B].replica.lastTimeoutMs, TIMEOUT_MS);
    const { received } = scene.figures(B);
    assert.deepEqual([received.datagrams, received.writes, received.foreign], [1, 1, 0]);
    assert.equal(scene.figures(0).received.datagrams, 0, 'a node does not hear itself');
    assert.equal(scene.figures(0).sent.writes, 1);
  });

  it('shares its datagram with what the same turn writes, as far as there is room', async () => {
    const scene = await Scene.start();
    for (let i = 0; i < 10; i++) scene.write(`small${i}`);
    scene.clock.advance(10);
    assert.equal(scene.datagrams.sent, 1);
    for (let i = 0; i < 10; i++) scene.write(`large${i}`, 600);
    scene.clock.advance(10);
    assert.equal(scene.datagrams.sent, 6, '1,400 bytes each');
    assert.equal(scene.book.count(ReplyKind.ok), 40);
  });

  it('goes over the connections when it is for one peer, or too large', async () => {
    const scene = await Scene.start();
    scene.writeAndWait('one', 20, [B]);
    scene.writeAndWait('large', 1_400);
    scene.writeAndWait('in fragments', 100_000);
    assert.equal(scene.datagrams.sent, 0);
    assert.deepEqual([scene.served(B, 'one'), scene.served(C, 'in fragments')], [1, 1]);
  });

  it('goes over the connection of a peer that speaks none, and reaches the others all the same', async () => {
    const hello = (nodeId: string): { features?: number } => (nodeId === 'c' ? { features: FEATURES } : {});
    const scene = await Scene.start({ hello }, ['a', 'b', 'c', 'd']);
    scene.writeAndWait('k1', 20, [1, 2, 3]);
    assert.equal(scene.datagrams.sent, 1);
    assert.deepEqual(
      [1, 2, 3].map((node) => scene.figures(node).received.writes),
      [1, 0, 1],
    );
    assert.equal(scene.served(2, 'k1'), 1);
    scene.writeAndWait('k2', 20, [1, 2]);
    assert.equal(scene.datagrams.sent, 1, 'one that hears it is too few');
  });

  it('goes over the connection with the time that is left when nobody has answered, and is served once', async () => {
    const scene = await Scene.start();
    scene.datagrams.faults = { ...NO_FAULTS, loss: 1 };
    const positions = scene.write('k1');
    scene.clock.advance(45);
    assert.equal(scene.book.replies.size, 0);
    scene.clock.advance(15);
    for (const position of positions) assert.equal(scene.book.of(position).kind, ReplyKind.ok);
    assert.deepEqual([scene.served(B, 'k1'), scene.served(C, 'k1')], [1, 1]);
    const { lastTimeoutMs } = scene.cluster.nodes[B].replica;
    assert.ok(lastTimeoutMs <= TIMEOUT_MS - 45 && lastTimeoutMs > TIMEOUT_MS - 60, `${lastTimeoutMs}`);
    assert.deepEqual([scene.path('b').sent, scene.path('b').resent], [1, 1]);
    assert.equal(scene.figures(0).sent.keptBytes, 0);
  });

  it('is served once however late its answer is, and whatever the network does with its datagram', async () => {
    const scene = await Scene.start();
    scene.cluster.nodes[B].replica.holds = true;
    scene.datagrams.faults = { ...NO_FAULTS, duplication: 1, replay: 1 };
    const [toB] = scene.write('k1');
    scene.clock.advance(300);
    assert.equal(scene.figures(B).received.resentInVain, 1);
    scene.cluster.nodes[B].replica.release();
    scene.clock.advance(6_000);
    assert.equal(scene.book.of(toB).kind, ReplyKind.ok);
    assert.equal(scene.book.repeated, 0);
    assert.deepEqual([scene.served(B, 'k1'), scene.served(C, 'k1')], [1, 1]);
    assert.equal(scene.figures(B).received.duplicates, 2);
  });

  it('waits like others where a peer has too much to do', async () => {
    const scene = await Scene.start({ limits: { maxUnderWay: 2 } });
    const { replica } = scene.cluster.nodes[B];
    replica.holds = true;
    for (let i = 0; i < 6; i++) scene.write(`k${i}`);
    scene.clock.advance(300);
    assert.ok(replica.mostHeld <= 2, `${replica.mostHeld}`);
    assert.ok(scene.figures(B).received.left > 0);
    for (let i = 0; i < 10; i++) {
      replica.release();
      scene.clock.advance(20);
    }
    assert.equal(scene.book.count(ReplyKind.ok), 12);
    assert.equal(scene.book.repeated, 0);
  });

  it('is refused at once by a peer that stops', async () => {
    const scene = await Scene.start();
    const { replica, server } = scene.cluster.nodes[B];
    replica.holds = true;
    scene.write('k1');
    scene.clock.advance(10);
    const closing = server.close();
    await new Promise((resolve) => setImmediate(resolve));
    const [toB] = scene.write('k2');
    scene.clock.advance(10);
    scene.book.isFailed(toB, FailureCode.stopping, /stopping/);
    replica.release();
    scene.clock.advance(10);
    assert.equal(scene.served(B, 'k2'), 0);
    await closing;
  });

  it('fails with its connection, and nothing of it is kept', async () => {
    const scene = await Scene.start();
    scene.datagrams.deaf.add('b');
    const [toB, toC] = scene.write('k1');
    scene.clock.advance(10);
    scene.cluster.network.cut((from, to) => from === 'b' || to === 'b');
    scene.clock.advance(10);
    scene.book.isFailed(toB, FailureCode.peerLost, /cut|reset/);
    assert.equal(scene.book.of(toC).kind, ReplyKind.ok);
    scene.clock.advance(1_000);
    assert.equal(scene.figures(0).sent.keptBytes, 0);
    assert.equal(scene.served(B, 'k1'), 0);
  });
});

describe('the way by datagrams', () => {
  for (const timeoutsMs of [[100], [20], [TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS, 20]]) {
    it(`rests while they do not get through, and no write is lost, with ${timeoutsMs} ms for each`, async () => {
      const scene = await Scene.start();
      for (const nodeId of ['b', 'c']) scene.datagrams.deaf.add(nodeId);
      scene.writeUntilRest(timeoutsMs);
      assert.ok(!scene.path('c').isUsed);
      scene.clock.advance(TIMEOUT_MS);
      assert.equal(scene.book.count(ReplyKind.ok), scene.book.replies.size);
      assert.equal(scene.figures(0).sent.keptBytes, 0);
    });
  }

  it('is tried again with one write, and no other waits for it', async () => {
    const scene = await Scene.start();
    scene.datagrams.deaf.add('b');
    scene.writeUntilRest([TIMEOUT_MS]);
    scene.clock.advance(1_000);
    const { resent } = scene.path('b');
    const { sent } = scene.datagrams;
    for (let i = 0; i < 100; i++) {
      scene.write(`on trial ${i}`);
      scene.clock.advance(1);
    }
    scene.clock.advance(300);
    assert.equal(scene.path('b').resent, resent + 1);
    assert.equal(scene.datagrams.sent, sent + 1);
    assert.ok(!scene.path('b').isUsed);
    assert.equal(scene.book.count(ReplyKind.ok), scene.book.replies.size);
  });

  it('rests while they do not get through, and is tried again', async () => {
    const scene = await Scene.start();
    const { log } = scene.cluster.nodes[0];
    scene.datagrams.deaf.add('b');
    for (let i = 0; i < 60; i++) {
      scene.write(`k${i}`);
      scene.clock.advance(20);
    }
    assert.ok(!scene.path('b').isUsed);
    assert.ok(scene.path('c').isUsed, 'the way to another is its own');
    assert.equal(log.matching(/Multicast does not reach node b/).length, 1);
    const before = scene.datagrams.sent;
    scene.writeAndWait('over connections');
    assert.equal(scene.datagrams.sent, before, 'one that hears it is too few');

    for (let i = 0; i < 300; i++) {
      scene.write(`still deaf ${i}`);
      scene.clock.advance(20);
    }
    assert.ok(scene.datagrams.sent > before, 'it was tried again');
    assert.equal(log.matching(/does not reach/).length, 1);

    scene.datagrams.deaf.delete('b');
    scene.clock.advance(60_000);
    scene.writeAndWait('heard again');
    scene.clock.advance(1_000);
    assert.ok(scene.path('b').isUsed);
    assert.equal(log.matching(/Multicast reaches node b again/).length, 1);
    assert.equal(scene.book.count(ReplyKind.ok), scene.book.replies.size);
  });

  it('does not rest for a peer that is slow for a moment', async () => {
    const scene = await Scene.start();
    scene.cluster.nodes[B].replica.holds = true;
    for (let i = 0; i < 20; i++) {
      scene.write(`k${i}`);
      scene.clock.advance(20);
    }
    scene.cluster.nodes[B].replica.holds = false;
    scene.cluster.nodes[B].replica.release();
    scene.clock.advance(300);
    assert.ok(scene.path('b').resent > 8);
    assert.ok(scene.path('b').isUsed);
  });

  it('shows that the peer lives, though its stream is silent', async () => {
    const scene = await Scene.start();
    for (let i = 0; i < 150; i++) {
      scene.writeAndWait(`k${i}`);
      scene.clock.advance(90);
    }
    assert.ok(scene.figures(B).received.writes >= 150);
    assert.deepEqual(scene.cluster.nodes[B].log.matching(/no sign of life/), []);
    assert.deepEqual(scene.cluster.nodes[0].log.matching(/Lost node/), []);
  });

  it('ends with the node, and leaves no timer', async () => {
    const scene = await Scene.start();
    scene.writeAndWait('k1');
    scene.write('k2');
    const closing = scene.cluster.nodes.flatMap(({ mesh, server }) => [mesh.close(), server.close()]);
    scene.clock.advance(200);
    await Promise.all(closing);
    assert.equal(scene.book.count(ReplyKind.ok), 4, 'what was gathered is still sent');
    assert.equal(scene.datagrams.listeners, 0);
    assert.equal(scene.clock.pendingTimers, 0);
  });

  it('follows the members of the cluster', async () => {
    const scene = await Scene.start();
    const { mesh } = scene.cluster.nodes[0];
    assert.equal(scene.datagrams.listeners, 6);
    mesh.setPeers([null, { nodeId: 'b', host: 'b', port: RPC_PORT }]);
    assert.equal(scene.datagrams.listeners, 5);
    mesh.setPeers([null, ...['b', 'c', 'd'].map((nodeId) => ({ nodeId, host: nodeId, port: RPC_PORT }))]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(scene.datagrams.listeners, 7);
  });

  it('finds the others however a node writes its own address', async () => {
    const scene = await Scene.start({ ownHost: () => '0.0.0.0' });
    scene.writeAndWait('k1');
    assert.deepEqual(
      [B, C].map((node) => scene.figures(node).received.writes),
      [1, 1],
    );
  });

  it('that ends while the node goes on leaves nothing to be waited for: it goes over the connections', async () => {
    const scene = await Scene.start();
    const { log, mesh } = scene.cluster.nodes[0];
    scene.datagrams.deaf.add('b');
    const [toB] = scene.write('k1');
    scene.clock.advance(10);
    assert.ok(!scene.book.replies.has(toB));
    scene.datagrams.full.add('a');
    mesh.setPeers([null, ...['b', 'c', 'd'].map((nodeId) => ({ nodeId, host: nodeId, port: RPC_PORT }))]);
    await new Promise((resolve) => setImmediate(resolve));
    scene.clock.advance(10);
    assert.equal(scene.book.of(toB).kind, ReplyKind.ok);
    assert.equal(scene.served(B, 'k1'), 1);
    assert.equal(log.matching(/^error Writes are not sent by multicast, as this node cannot hear/).length, 1);
    assert.equal(scene.figures(0).sent.keptBytes, 0);
    scene.writeAndWait('k2');
  });
});

describe('datagrams of strangers', () => {
  it('of an earlier session, or heard before, do nothing', async () => {
    const scene = await Scene.start();
    scene.writeAndWait('k1');
    const heard = Buffer.from(scene.datagrams.last);
    scene.datagrams.inject(scene.groupOf('a'), heard);
    assert.equal(scene.figures(B).received.duplicates, 1);
    await scene.cluster.restart(B);
    scene.clock.advance(2_000);
    scene.writeAndWait('k2');
    scene.datagrams.inject(scene.groupOf('a'), heard);
    assert.equal(scene.figures(B).received.foreign, 1);
    assert.equal(scene.served(B, 'k1'), 0, 'the new process has never served it');
  });

  it('are dropped without an answer and with one line in the log, whatever is in them', async () => {
    const scene = await Scene.start();
    scene.writeAndWait('k1');
    const random = seededRandom(3);
    for (let i = 0; i < 500; i++) {
      const madeUp = Buffer.from(Array.from({ length: i }, () => Math.floor(random() * 256)));
      scene.datagrams.inject(scene.groupOf('a'), madeUp);
    }
    assert.equal(scene.figures(B).received.foreign, 500);
    // Of somebody who knows the sessions, and not the secret.
    for (let i = 0; i < 100; i++) {
      const changed = Buffer.from(scene.datagrams.last);
      changed[changed.length - 1 - (i % 20)] ^= 1 + Math.floor(random() * 255);
      scene.datagrams.inject(scene.groupOf('a'), changed);
    }
    assert.equal(scene.figures(B).received.unsealed, 100);
    assert.equal(scene.cluster.nodes[B].log.matching(/wrong seal/).length, 1);
    assert.equal(scene.served(B, 'k1'), 1);
    scene.writeAndWait('k2');
    assert.equal(scene.figures(B).received.writes, 2);
  });

  for (const [what, changes] of [
    ['with wrong seals', true],
    ['that have come before', false],
  ] as const) {
    it(`${what} cost a bounded time in a flood, and writes then go over the connections`, async () => {
      const scene = await Scene.start();
      scene.writeAndWait('k1', 1_000);
      const flooding = Buffer.from(scene.datagrams.last);
      if (changes) flooding[0] ^= 1;
      for (let i = 0; i < 5_000; i++) scene.datagrams.inject(scene.groupOf('a'), flooding);
      const { unsealed, duplicates, unread } = scene.figures(B).received;
      assert.equal(unsealed + duplicates + unread, 5_000);
      assert.ok(unread > 3_000, `only ${unread} were not looked at`);
      scene.write('in the flood');
      scene.clock.advance(300);
      assert.equal(scene.book.count(ReplyKind.ok), 4);
      assert.ok(scene.path('b').resent > 0);
      scene.clock.advance(1_000);
      const before = scene.figures(B).received.writes;
      scene.writeAndWait('after it');
      assert.equal(scene.figures(B).received.writes, before + 1, 'by datagram again');
      assert.deepEqual([scene.served(B, 'k1'), scene.served(B, 'in the flood')], [1, 1]);
    });
  }
});

describe('FORMAT.md', () => {
  it('says how large datagrams are', async () => {
    const text = readFileSync(new URL('../../../../../src/rpc/FORMAT.md', import.meta.url), 'utf8');
    const [, loopback, elsewhere] =
      /up to ([\d,]+) bytes on loopback\s+and\s+up to ([\d,]+)\s+elsewhere/.exec(text) ?? [];
    for (const [host, said] of [
      ['127.0.0.1', loopback],
      ['10.0.0.1', elsewhere],
    ]) {
      const socket = async (): Promise<GroupReceiver & GroupSender> => ({
        bufferBytes: 1,
        send() {},
        close() {},
      });
      const multicast = multicastAt(host, socket, socket, []);
      await multicast.open();
      const room = Number(said.replace(',', '')) - datagramBytes(0, 2);
      assert.deepEqual(
        [multicast.sender.takes(room, 2), multicast.sender.takes(room + 1, 2)],
        [true, false],
        host,
      );
    }
  });
});

function multicastAt(
  host: string,
  receiver: DatagramTransport['receiver'],
  sender: DatagramTransport['sender'],
  told: string[],
): Multicast {
  const multicast = new Multicast({
    clusterId: 'shop',
    self: { nodeId: 'a', host, port: 1 },
    secret: credentialsOf().secret,
    transport: { receiver, sender },
    clock: new FakeClock(),
    random: seededRandom(1),
    log: new KeptLog(),
    onUnusable: (sentence) => told.push(sentence),
  });
  multicast.setMembers([
    { nodeId: 'b', host: '127.0.0.1', port: 2 },
    { nodeId: 'c', host: '127.0.0.1', port: 3 },
  ]);
  return multicast;
}

describe('a network without multicast', () => {
  it('is said in a sentence, and nothing stays open', async () => {
    let open = 0;
    const socket = async (): Promise<GroupReceiver & GroupSender> => {
      open++;
      return { bufferBytes: 1, send() {}, close: () => void open-- };
    };
    const refuse = async (): Promise<never> => {
      throw new Error('cannot hear the multicast group 239.255.1.2:20000: addMembership ENODEV');
    };
    for (const [receiver, sender] of [
      [refuse, socket],
      [socket, refuse],
    ] as const) {
      const told: string[] = [];
      const multicast = multicastAt('127.0.0.1', receiver, sender, told);
      await multicast.open();
      assert.ok(!multicast.isOpen);
      assert.match(
        told.join(),
        /^Writes are not sent by multicast, as this node cannot hear .* ENODEV\. They go/,
      );
      assert.equal(open, 0);
      assert.ok(!multicast.sender.takes(10, 2));
    }
  });

  it('that is left while it is entered leaves nothing open', async () => {
    let open = 0;
    const opened = Promise.withResolvers<void>();
    const socket = async (): Promise<GroupReceiver & GroupSender> => {
      await opened.promise;
      open++;
      return { bufferBytes: 1, send() {}, close: () => void open-- };
    };
    const told: string[] = [];
    const multicast = multicastAt('127.0.0.1', socket, socket, told);
    const opening = multicast.open();
    multicast.close();
    opened.resolve();
    await opening;
    assert.equal(open, 0);
    assert.deepEqual(told, []);
  });
});

describe('members', () => {
  it('that change while the sockets are opened are those that are heard', async () => {
    const [d, e] = ['d', 'e'].map((nodeId, i) => ({ nodeId, host: '127.0.0.1', port: 4 + i }));
    const nameOf = ({ address, port }: MulticastGroup): string => `${address}:${port}`;
    const heard = new Set<string>();
    let joined = 0;
    const receiver = async (group: MulticastGroup): Promise<GroupReceiver> => {
      if (joined++ === 0) multicast.setMembers([d]);
      heard.add(nameOf(group));
      return { bufferBytes: 1, close: () => void heard.delete(nameOf(group)) };
    };
    const sender = async (): Promise<GroupSender> => {
      multicast.setMembers([d, e]);
      return { send() {}, close() {} };
    };
    const multicast: Multicast = multicastAt('127.0.0.1', receiver, sender, []);
    await multicast.open();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(multicast.isOpen);
    assert.deepEqual(
      [...heard].toSorted(),
      [d, e].map(({ nodeId, port }) => nameOf(groupOf('shop', nodeId, port))).toSorted(),
    );
    // Twice at once: the second is not forgotten, and the first leaves nothing behind.
    multicast.setMembers([{ ...d, nodeId: 'f' }]);
    multicast.setMembers([e]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([...heard], [nameOf(groupOf('shop', e.nodeId, e.port))]);
  });
});

import assert from 'node:assert/strict';
import { beforeEach, describe, it, mock } from 'node:test';
import { MapEngine } from '../../../../../bench/cluster/map-engine.ts';
import { LsmError, WriteStatus } from '../../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../../src/clock.ts';
import { FailureCode } from '../../../../../src/failure.ts';
import { ByteThrottle } from '../../../../../src/replica/byte-throttle.ts';
import { decodeHintPage, encodeHintPage } from '../../../../../src/replica/hints/hint-page.ts';
import { Hints } from '../../../../../src/replica/hints/hints.ts';
import { OwnRecords } from '../../../../../src/replica/own-records.ts';
import { failed, type ReplicaReply, ReplyKind, type ReplySink, STORED } from '../../../../../src/reply.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';
import { type FakeReplicaState, settledRead, settledWrite } from '../../../../support/fake-settlement.ts';
import { MapReplicas, recordOf } from '../../../../support/map-replicas.ts';
import { KeptLog } from '../../../../support/rpc-nodes.ts';

type State = FakeReplicaState['state'];
const MIB = 1024 * 1024;

describe('hints', () => {
  let clock: FakeClock;
  let replicas: MapReplicas;
  let engine: MapEngine;
  let hints: Hints;
  let members: Set<string>;
  let up: Set<string>;
  /** What other nodes were asked to remember, and their answer. */
  let passedOn: string[];
  let answer: ReplicaReply;
  beforeEach(async () => {
    clock = new FakeClock();
    replicas = new MapReplicas('a', 'b', 'c');
    engine = new MapEngine();
    members = new Set(['a', 'b', 'c']);
    up = new Set();
    passedOn = [];
    answer = STORED;
    hints = made();
    await hints.start();
  });

  function made(isOn = true): Hints {
    return new Hints({
      nodeId: 'a',
      isOn,
      maxBytes: MIB,
      maxAgeMs: 3_600_000,
      records: new OwnRecords(engine),
      deliveries: { access: replicas, lists: replicas, timeoutMs: 1_000 },
      peers: {
        isUp: (nodeId) => up.has(nodeId),
        has: (nodeId) => members.has(nodeId),
        hint: (holderId, missedId, page, _timeoutMs, sink: ReplySink, position) => {
          const keys = decodeHintPage(page)?.keys.map((key) => Buffer.from(key).toString());
          passedOn.push(`${holderId} for ${missedId}: ${keys?.join()}`);
          sink.onReply(position, answer);
        },
      },
      throttle: new ByteThrottle(clock, 16 * MIB),
      requests: () => 0,
      clock,
      nowMs: () => clock.nowMs(),
      random: seededRandom(1),
      log: new KeptLog(),
    });
  }

  function write(key: string, a: State, b: State, c: State, failure: FailureCode = FailureCode.none): void {
    const states = [a, b, c].map((state, i) => ({ node: 'abc'[i], state, failure }));
    hints.onSettled(settledWrite(key, states));
  }

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      clock.advance(10);
      for (let i = 0; i < 50; i++) await undefined;
    }
  }

  it('are not made of what is well, nor of reads', () => {
    write('k', 'current', 'current', 'newer');
    hints.onSettled(
      settledRead('k', [
        { node: 'a', state: 'current' },
        { node: 'b', state: 'missing' },
      ]),
    );
    hints.onSettled(settledWrite('k', [{ node: 'a', state: 'unasked' }], 0));
    const { keys, nowhere } = hints.figures();
    assert.deepEqual({ keys, nowhere, passedOn }, { keys: 0, nowhere: 0, passedOn: [] });
  });

  it('are made of whatever a replica did not take: down, overloaded, silent, not asked any more', () => {
    write('k1', 'current', 'failed', 'current', FailureCode.peerUnavailable);
    write('k2', 'current', 'failed', 'current', FailureCode.overloaded);
    write('k3', 'current', 'silent', 'current');
    write('k4', 'current', 'unasked', 'current');
    write('k5', 'newer', 'failed', 'current', FailureCode.poisoned);
    const { nodes } = hints.figures();
    assert.deepEqual(
      nodes.map(({ id, keys }) => [id, keys]),
      [['b', 5]],
    );
  });

  it('are not made of what the replica can never take', () => {
    for (const code of [
      FailureCode.tooLarge,
      FailureCode.malformed,
      FailureCode.keyTooLong,
      FailureCode.noSuchPeer,
    ])
      write('k', 'current', 'failed', 'current', code);
    assert.equal(hints.figures().remembered, 0);
  });

  it('of a write that no owner took are nowhere, as nobody could deliver them', async () => {
    write('k', 'failed', 'failed', 'silent');
    await pass(100);
    assert.equal(hints.figures().nowhere, 3);
    assert.deepEqual(passedOn, []);
  });

  it('are for an owner that took the write, where this node did not: also what this node itself missed', async () => {
    write('k1', 'failed', 'current', 'silent');
    write('k2', 'failed', 'current', 'current');
    await pass(30);
    assert.deepEqual(passedOn, ['b for a: k1,k2', 'b for c: k1']);
    assert.equal(hints.figures().passedOn, 3);
    answer = failed(FailureCode.notServed, 'no');
    write('k3', 'failed', 'current', 'current');
    await pass(30);
    assert.equal(hints.figures().passedOnInVain, 1);
  });

  it('are for this node where it took the write, wherever it stands among the owners', async () => {
    hints.onSettled(
      settledWrite('k', [
        { node: 'b', state: 'current' },
        { node: 'a', state: 'current' },
        { node: 'c', state: 'silent' },
      ]),
    );
    await pass(100);
    assert.deepEqual(passedOn, []);
    assert.equal(hints.figures().remembered, 1);
  });

  it('are delivered within a second once the node is back', async () => {
    replicas.of('a').set('k', recordOf(5, 'value'));
    write('k', 'current', 'failed', 'current');
    await pass(2_000);
    assert.equal(replicas.of('b').size, 0);
    up.add('b');
    await pass(1_000);
    assert.equal(replicas.of('b').size, 1);
    assert.equal(hints.figures().keys, 0);
  });

  it('for a frozen node keep back those of no other', async () => {
    for (let i = 0; i < 100; i++) {
      replicas.of('a').set(`k${i}`, recordOf(5, 'value'));
      write(`k${i}`, 'current', 'failed', 'silent');
    }
    up = new Set(['b', 'c']);
    replicas.frozen.add('b');
    await pass(1_500);
    assert.deepEqual([replicas.of('b').size, replicas.of('c').size], [0, 100]);
  });

  it('are taken from other nodes, and acknowledged when they are stored', async () => {
    const replies: ReplicaReply[] = [];
    const sink: ReplySink = { onReply: (_token, reply) => void replies.push(reply) };
    const page = encodeHintPage(1, [Buffer.from('k1'), Buffer.from('k2')], 17);
    hints.remember('b', page, sink, 0);
    assert.equal(replies.length, 0);
    await pass(10);
    assert.deepEqual(replies, [STORED]);
    hints = made();
    await hints.start();
    assert.equal(hints.figures().keys, 2);
  });

  it('that a failing disk has lost are not acknowledged to who asked for them', async () => {
    const replies: ReplicaReply[] = [];
    const sink: ReplySink = { onReply: (_token, reply) => void replies.push(reply) };
    const page = encodeHintPage(1, [Buffer.from('k1')], 13);
    const failing = mock.method(engine, 'write', (...args: Parameters<MapEngine['write']>) => {
      const [, , written, token] = args;
      written.onWrite(token, WriteStatus.failed, 0, 0, new LsmError('NO_SPACE', 'the disk is full'));
    });
    // The second asks for what is known already, and on its way to the disk.
    hints.remember('b', page, sink, 0);
    hints.remember('b', page, sink, 0);
    await pass(10);
    failing.mock.restore();
    hints.remember('b', page, sink, 0);
    await pass(10);
    const { keys, lost } = hints.figures();
    assert.deepEqual(
      [replies.map(({ kind, code }) => (kind === ReplyKind.failed ? code : 0)), keys, lost],
      [[FailureCode.storage, FailureCode.storage, 0], 1, 1],
    );
  });

  it('are refused of this node itself, of strangers, of own keys, and where there are to be none', () => {
    const replies: number[] = [];
    const sink: ReplySink = {
      onReply: (_token, { kind, code }) => void replies.push(kind === ReplyKind.failed ? code : 0),
    };
    const page = encodeHintPage(1, [Buffer.from('k1')], 13);
    hints.remember('a', page, sink, 0);
    hints.remember('x', page, sink, 0);
    hints.remember('b', page.subarray(0, 12), sink, 0);
    hints.remember('b', encodeHintPage(1, [Buffer.from([0xff, 0x68])], 13), sink, 0);
    made(false).remember('b', page, sink, 0);
    const { malformed, notServed } = FailureCode;
    assert.deepEqual(replies, [malformed, malformed, malformed, malformed, notServed]);
    assert.equal(hints.figures().keys, 0);
  });

  it('of a node that has left the cluster are dropped', async () => {
    write('k', 'current', 'failed', 'current');
    await pass(200);
    members.delete('b');
    await pass(1_000);
    const { keys, lost, nodes } = hints.figures();
    assert.deepEqual({ keys, lost, nodes }, { keys: 0, lost: 1, nodes: [] });
  });

  it('of an earlier start are dropped when none are kept any more: they would stay on the disk for good', async () => {
    write('k1', 'current', 'failed', 'current');
    write('k2', 'current', 'current', 'failed');
    await hints.close();
    hints = made(false);
    await hints.start();
    up.add('b').add('c');
    await pass(1_000);
    const { keys, lost } = hints.figures();
    assert.deepEqual({ keys, lost, asked: replicas.asked }, { keys: 0, lost: 2, asked: [] });
    hints = made();
    await hints.start();
    assert.equal(hints.figures().keys, 0);
  });

  it('that cannot be read when the node starts do not keep it from starting', async () => {
    await engine.close();
    hints = made();
    await hints.start();
    write('k', 'current', 'failed', 'current');
    await hints.close();
    assert.equal(hints.figures().lost, 1);
  });

  it('say how long the oldest has waited', async () => {
    assert.equal(hints.figures().oldestMs, 0);
    write('k', 'current', 'failed', 'current');
    await pass(5_000);
    write('k2', 'current', 'failed', 'current');
    assert.equal(hints.figures().oldestMs, 5_000);
  });
});

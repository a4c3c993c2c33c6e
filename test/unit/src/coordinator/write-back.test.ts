import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { recordTimestamp } from '../../../../native-free-lsm/index.ts';
import type { Replication } from '../../../../src/config.ts';
import { FailureCode } from '../../../../src/failure.ts';
import {
  ABSENT,
  failed,
  found as foundRecord,
  incomplete,
  type ReplicaReply,
  SETTLED_WRITER,
  STORED,
  stale,
} from '../../../../src/reply.ts';
import { quorumOptions, requestOptions } from '../../../../src/request-options.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  TIMEOUT_MS,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas, type Question } from '../../../support/fake-replicas.ts';
import { REPLICATIONS } from '../../../support/replication.ts';

const DOWN = failed(FailureCode.peerUnavailable, 'down');
const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');
const LATE_MS = TIMEOUT_MS / 4;

function setUp(replication: Replication = 'parallel', count = 3) {
  const replicas = new FakeReplicas(viewOfNodes(count));
  const made = setUpCoordinator(replicas, undefined, replication, {}, true);
  const { asked } = replicas;
  const { preferred } = made;
  const reads = (): Question[] => asked.filter(({ record }) => record === null);
  const writes = (): Question[] => asked.filter(({ record }) => record !== null);
  /** Which positions were written to, in this order. */
  const writtenTo = (): number[] => writes().map(({ node }) => preferred.indexOf(node));
  const replyTo = (question: Question | undefined, reply: ReplicaReply): void => question?.reply(reply);
  const readAt = (position: number, reply: ReplicaReply): void =>
    replyTo(
      reads().find(({ node }) => node === preferred[position]),
      reply,
    );
  const writtenAt = (position: number, reply: ReplicaReply): void =>
    replyTo(
      writes().find(({ node }) => node === preferred[position]),
      reply,
    );
  return { ...made, asked, answers: new Answers(), reads, writes, writtenTo, readAt, writtenAt };
}

for (const replication of REPLICATIONS) {
  describe(replication, () => {
    test('where the answers agree nothing is written', () => {
      const { answers, asked, coordinator, readAt } = setUp(replication);
      coordinator.get(KEY, quorumOptions(2, 3), answers);
      readAt(0, found(5, 'v'));
      readAt(1, found(5, 'v'));
      assert.deepEqual(answers.all, ['ok v']);
      assert.ok(asked.every(({ record }) => record === null));
    });

    for (const [what, older] of [
      ['an older version', found(4, 'old')],
      ['none', ABSENT],
    ] as const) {
      test(`one replica has the newest, the other ${what}: it gets it before the answer`, () => {
        const { answers, coordinator, ids, readAt, settled, writes, writtenAt, writtenTo } =
          setUp(replication);
        coordinator.get(KEY, quorumOptions(2, 3), answers);
        readAt(0, found(5, 'new'));
        readAt(1, older);
        assert.deepEqual(answers.all, []);
        assert.deepEqual(writtenTo(), [1]);
        assert.equal(recordTimestamp(writes()[0].record!, 0), 5);
        writtenAt(1, STORED);
        assert.deepEqual(answers.all, ['ok new']);
        readAt(2, ABSENT);
        assert.equal(settled[0].replicas[1], `${ids[1]}: current, 5 by 1`);
      });
    }

    test('a deletion is brought to others, too', () => {
      const { answers, coordinator, readAt, writes, writtenAt } = setUp(replication);
      coordinator.get(KEY, quorumOptions(2, 3), answers);
      readAt(0, found(4, 'old'));
      readAt(1, found(5, '', { tombstone: true }));
      assert.deepEqual(answers.all, []);
      assert.equal(recordTimestamp(writes()[0].record!, 0), 5);
      writtenAt(0, STORED);
      assert.deepEqual(answers.all, ['notFound']);
    });

    test('one that cannot be written to is replaced by another', () => {
      const { answers, coordinator, readAt, writtenAt, writtenTo } = setUp(replication);
      coordinator.get(KEY, quorumOptions(2, 3), answers);
      readAt(0, found(5, 'new'));
      readAt(1, found(4, 'old'));
      writtenAt(1, DOWN);
      assert.deepEqual(writtenTo(), [1, 2]);
      writtenAt(2, stale(5, 1));
      assert.deepEqual(answers.all, ['ok new']);
    });

    test('the request is settled once, when everybody who was asked or written to has answered', () => {
      const { answers, coordinator, readAt, settled, writtenAt } = setUp(replication);
      coordinator.get(KEY, quorumOptions(2, 3), answers);
      readAt(0, found(5, 'new'));
      readAt(1, found(4, 'old'));
      writtenAt(1, DOWN);
      writtenAt(2, STORED);
      readAt(2, found(5, 'new'));
      assert.equal(answers.all.length, 1);
      assert.equal(settled.length, 1);
    });

    test('when too few can have it the answer says so, and of each why', () => {
      const { answers, clock, coordinator, ids, readAt, writtenAt } = setUp(replication);
      coordinator.get(KEY, quorumOptions(2, 3), answers);
      readAt(0, found(5, 'new'));
      readAt(1, found(4, 'old'));
      writtenAt(1, failed(FailureCode.noSpace, 'disk full'));
      writtenAt(2, DOWN);
      assert.deepEqual(answers.all, [
        `notEnoughReplicas The replicas differ, and 2 of 3 had to have the newest version before it is answered; 1 did (${ids[1]}: disk full; ${ids[2]}: down).`,
      ]);
      clock.advance(2 * TIMEOUT_MS);
      assert.equal(answers.all.length, 1);
    });

    test('one that says nothing is late after a quarter of the time, and at the deadline too few have it', () => {
      const { answers, clock, coordinator, ids, readAt, settled, writtenAt, writtenTo } = setUp(replication);
      coordinator.get(KEY, quorumOptions(2, 3), answers);
      readAt(0, found(5, 'new'));
      readAt(1, found(4, 'old'));
      clock.advance(LATE_MS - 1);
      assert.deepEqual(writtenTo(), [1]);
      clock.advance(2);
      assert.deepEqual(writtenTo(), [1, 2]);
      clock.advance(TIMEOUT_MS);
      assert.deepEqual(answers.all, [
        `notEnoughReplicas The replicas differ, and 2 of 3 had to have the newest version before it is answered; 1 did (${ids[1]}: no answer in 1000 ms; ${ids[2]}: no answer in 1000 ms).`,
      ]);
      readAt(2, TIMED_OUT);
      writtenAt(1, TIMED_OUT);
      assert.equal(settled.length, 0);
      writtenAt(2, STORED);
      assert.equal(settled.length, 1);
      assert.equal(clock.pendingTimers, 0);
    });
  });
}

test('answers that agree after one that was older still bring the newest to as many as must answer', () => {
  const { answers, coordinator, readAt, writtenAt, writtenTo } = setUp('parallel', 5);
  coordinator.get(KEY, quorumOptions(3, 5), answers);
  readAt(3, found(4, 'old'));
  readAt(0, found(5, 'new'));
  readAt(1, found(5, 'new'));
  assert.deepEqual(writtenTo(), [3]);
  writtenAt(3, STORED);
  assert.deepEqual(answers.all, ['ok new']);
});

test('a late answer of the read counts, and one with a newer version does, too', () => {
  for (const late of [5, 6]) {
    const { answers, coordinator, readAt } = setUp();
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    readAt(0, found(5, 'new'));
    readAt(1, ABSENT);
    readAt(2, found(late, 'late'));
    assert.deepEqual(answers.all, ['ok new']);
  }
});

test('a late answer with an older version does not count', () => {
  const { answers, coordinator, readAt } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, found(5, 'new'));
  readAt(1, ABSENT);
  readAt(2, found(4, 'old'));
  assert.deepEqual(answers.all, []);
});

test('a replica that meanwhile has a newer version counts, one that names an older one does not', () => {
  const { answers, coordinator, readAt, writtenAt } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, found(5, 'new'));
  readAt(1, ABSENT);
  writtenAt(1, stale(4, 9));
  assert.deepEqual(answers.all, []);
  writtenAt(2, stale(6, 1));
  assert.deepEqual(answers.all, ['ok new']);
});

test('what only a replica that is not whole has is brought to others, and its own answer does not count', () => {
  const { answers, coordinator, readAt, writtenAt, writtenTo } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, incomplete(found(5, 'new').record));
  readAt(1, ABSENT);
  readAt(2, ABSENT);
  assert.deepEqual(writtenTo(), [1, 2]);
  writtenAt(1, STORED);
  assert.deepEqual(answers.all, []);
  writtenAt(2, STORED);
  assert.deepEqual(answers.all, ['ok new']);
});

test('a replica that is not whole and has nothing does not differ from others', () => {
  const { answers, asked, coordinator, readAt } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, incomplete(null));
  readAt(1, found(5, 'v'));
  readAt(2, found(5, 'v'));
  assert.deepEqual(answers.all, ['ok v']);
  assert.equal(asked.length, 3);
});

test('a deletion that is settled at one owner is not written there for ever', () => {
  const { answers, coordinator, readAt, writtenAt } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, found(5, '', { tombstone: true }));
  readAt(1, ABSENT);
  writtenAt(1, stale(7, SETTLED_WRITER));
  assert.deepEqual(answers.all, ['notFound']);
});

test('an expired value that is settled at one owner counts like a deletion', () => {
  const { answers, clock, coordinator, readAt, writtenAt } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, found(5, 'gone', { expiryMs: clock.nowMs() - 1 }));
  readAt(1, ABSENT);
  writtenAt(1, stale(7, SETTLED_WRITER));
  assert.deepEqual(answers.all, ['notFound']);
});

test('a replica that takes a value for settled does not have it', () => {
  const { answers, coordinator, readAt, writtenAt, writtenTo } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, found(5, 'v'));
  readAt(1, ABSENT);
  writtenAt(1, stale(7, SETTLED_WRITER));
  assert.deepEqual(answers.all, []);
  assert.deepEqual(writtenTo(), [1, 2]);
  writtenAt(2, STORED);
  assert.deepEqual(answers.all, ['ok v']);
});

test('no more replicas get a version than it was written for, unless they have an older one', () => {
  const { answers, coordinator, readAt, writtenAt, writtenTo } = setUp('parallel', 5);
  coordinator.get(KEY, quorumOptions(3, 5), answers);
  // It was written with `from` 3: positions 3 and 4 are no owners of it.
  readAt(0, found(5, 'new'));
  readAt(3, ABSENT);
  readAt(4, found(4, 'old'));
  assert.deepEqual(writtenTo(), [4, 1, 2]);
  writtenAt(4, STORED);
  assert.deepEqual(answers.all, []);
  writtenAt(2, STORED);
  assert.deepEqual(answers.all, ['ok new']);
});

test('a version that was written for fewer replicas than must answer is brought to all of these', () => {
  const { answers, coordinator, readAt, writtenTo } = setUp('parallel', 5);
  coordinator.get(KEY, quorumOptions(3, 5), answers);
  readAt(0, found(5, 'v', { from: 1 }));
  readAt(3, ABSENT);
  readAt(4, ABSENT);
  assert.deepEqual(answers.all, ['ok v']);
  assert.deepEqual(writtenTo(), []);
});

test('replicas that answer inside the call that writes to them end it there', () => {
  const asks: Question[] = [];
  const replicas = new FakeReplicas(viewOfNodes(3), (question) => {
    asks.push(question);
    if (question.record !== null) question.reply(asks.length === 4 ? DOWN : STORED);
  });
  const { coordinator, preferred, settled } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
  const answers = new Answers();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asks.find(({ node }) => node === preferred[0])?.reply(found(5, 'new'));
  asks.find(({ node }) => node === preferred[1])?.reply(ABSENT);
  assert.deepEqual(answers.all, ['ok new']);
  assert.equal(settled.length, 0);
  asks.find(({ node }) => node === preferred[2])?.reply(ABSENT);
  assert.equal(settled.length, 1);
});

test('a call that throws is a replica that cannot be written to', () => {
  const replicas = new FakeReplicas(viewOfNodes(3), ({ record }) => {
    if (record !== null) throw new Error('no memory');
  });
  const { coordinator, ids } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
  const answers = new Answers();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  replicas.asked[0].reply(foundRecord(found(5, 'new').record!));
  replicas.asked[1].reply(ABSENT);
  assert.match(answers.all.join(), /1 did \(.*no memory; .*no memory\)/);
  assert.ok(answers.all.join().includes(ids[1]));
});

test('a node that stops answers a read that writes back, and what comes later changes nothing', () => {
  const { answers, clock, coordinator, readAt, settled, writtenAt } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, found(5, 'new'));
  readAt(1, ABSENT);
  coordinator.close();
  assert.deepEqual(answers.all, ['overloaded This node is stopping.']);
  writtenAt(1, STORED);
  readAt(2, ABSENT);
  assert.equal(answers.all.length, 1);
  assert.equal(settled.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

test('a large value stays counted until it is written back and answered', () => {
  const { answers, asked, coordinator, readAt, writtenAt } = setUp();
  const large = found(5, 'x'.repeat(40 * 1024 * 1024));
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  readAt(0, large);
  readAt(1, ABSENT);
  const refused = new Answers();
  coordinator.get(KEY, quorumOptions(2, 3), refused);
  asked.at(-1)?.reply(large);
  assert.match(refused.all.join(), /^overloaded/);
  writtenAt(1, STORED);
  assert.match(answers.all.join(), /^ok x/);
  const served = new Answers();
  coordinator.get(KEY, quorumOptions(2, 3), served);
  asked.at(-1)?.reply(large);
  asked.at(-2)?.reply(large);
  assert.match(served.all.join(), /^ok x/);
});

for (const isNodeSetToWriteBack of [false, true]) {
  test(`what a request says counts on a node that is set to ${isNodeSetToWriteBack ? 'write back' : 'answer first'}`, () => {
    const replicas = new FakeReplicas(viewOfNodes(3));
    const { asked } = replicas;
    const { coordinator } = setUpCoordinator(replicas, undefined, 'parallel', {}, isNodeSetToWriteBack);
    const writesOf = (repair: 'write-back' | 'async' | null): number => {
      asked.length = 0;
      coordinator.get(KEY, requestOptions({ ack: 2, from: 3, repair }), new Answers());
      asked[0].reply(found(5, 'new'));
      asked[1].reply(found(4, 'old'));
      return asked.filter(({ record }) => record !== null).length;
    };
    assert.equal(writesOf('write-back'), 1);
    assert.equal(writesOf('async'), 0);
    assert.equal(writesOf(null), isNodeSetToWriteBack ? 1 : 0);
  });
}

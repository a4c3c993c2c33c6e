/** What a request tells once all its replicas have said what they will say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FailureCode } from '../../../../src/failure.ts';
import { Outcome } from '../../../../src/outcome.ts';
import { ABSENT, failed, found as foundRecord, incomplete, STORED } from '../../../../src/reply.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  setUpWaiting,
  stale,
  TIMEOUT_MS,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas } from '../../../support/fake-replicas.ts';

const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');

/** What was used in this turn counts as used until its end. */
async function collectGarbage(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

test('a read settles after its answer, when the last replica has answered, and tells who is stale or missing', () => {
  const { coordinator, asked, answers, clock, ids, settled } = setUpWaiting(4);
  coordinator.get(KEY, quorumOptions(2, 4), answers);
  clock.advance(2);
  asked[0].reply(found(5, 'older'));
  clock.advance(1);
  asked[1].reply(ABSENT);
  assert.deepEqual(answers.all, ['ok older']);
  assert.equal(settled.length, 0, 'two may still answer');
  assert.equal(coordinator.unsettled, 1);
  clock.advance(40);
  asked[2].reply(found(9, 'newest, but late'));
  assert.equal(settled.length, 0);
  asked[3].reply(TIMED_OUT);
  assert.deepEqual(settled, [
    {
      kind: 'read',
      key: 'key1',
      outcome: Outcome.ok,
      version: '9 by 1',
      isConflict: false,
      replicas: [
        `${ids[0]}: stale, 5 by 1`,
        `${ids[1]}: missing`,
        `${ids[2]}: current, 9 by 1`,
        `${ids[3]}: silent, TIMED_OUT`,
      ],
      answeredAfterMs: [2, 3, 43, 43],
    },
  ]);
  assert.equal(coordinator.unsettled, 0);
  assert.deepEqual(answers.all, ['ok older'], 'the answer stands');
});

test('replicas that have nothing agree with each other', () => {
  const { coordinator, asked, answers, ids, settled } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  for (const question of asked) question.reply(ABSENT);
  assert.deepEqual([settled[0].version, ...settled[0].replicas], ['', ...ids.map((id) => `${id}: current`)]);
});

test('of an incomplete replica both is told: what it holds, and that it is incomplete', () => {
  const { coordinator, asked, answers, ids, settled } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  asked[0].reply(found(5, 'value'));
  asked[1].reply(incomplete(found(9, 'newer').record));
  asked[2].reply(incomplete(null));
  assert.deepEqual(settled[0].replicas, [
    `${ids[0]}: stale, 5 by 1`,
    `${ids[1]}: current, 9 by 1, INCOMPLETE`,
    `${ids[2]}: missing, INCOMPLETE`,
  ]);
});

test('once answered it keeps no value, however long it waits for the last replica', async () => {
  const { coordinator, asked, answers, settled } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  // Both are heard in a call of its own, so that nothing here refers to them afterwards.
  const values = [found(5, 'v'.repeat(1024)), found(9, 'w'.repeat(1024))].map((reply, position) => {
    asked[position].reply(reply);
    return new WeakRef(reply.record!);
  });
  await collectGarbage();
  assert.deepEqual(
    values.map((value) => value.deref()),
    [undefined, undefined],
  );
  assert.equal(settled.length, 0);
  asked[2].reply(ABSENT);
  assert.equal(settled[0].version, '9 by 1');
});

test('answered before enough replicas were heard, it keeps no value of those that come later', async () => {
  const { coordinator, asked, answers, clock, settled } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  clock.advance(TIMEOUT_MS + 10);
  assert.equal(answers.all.length, 1);
  const values = ['late', 'later'].map((value, position) => {
    const reply = found(5 + position, value);
    asked[position].reply(reply);
    return new WeakRef(reply.record!);
  });
  await collectGarbage();
  assert.deepEqual(
    values.map((value) => value.deref()),
    [undefined, undefined],
  );
  assert.equal(settled.length, 0);
  asked[2].reply(ABSENT);
  assert.equal(settled[0].version, '6 by 1');
});

test('once answered, a read that writes back lets go of its value, however long a replica takes to store it', async () => {
  const replicas = new FakeReplicas(viewOfNodes(4));
  const { coordinator, clock, settled } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
  const { asked } = replicas;
  const answers = new Answers();
  const read = (): WeakRef<Uint8Array> => {
    coordinator.get(KEY, quorumOptions(2, 4), answers);
    const reply = found(9, 'newest');
    const [first, second, third, fourth] = asked.splice(0);
    first.reply(reply);
    second.reply(ABSENT);
    third.reply(ABSENT);
    fourth.reply(ABSENT);
    // The first to be written to is late, so the others are, too.
    clock.advance(TIMEOUT_MS / 4 + 1);
    asked.splice(0)[1].reply(STORED);
    return new WeakRef(reply.record!);
  };
  const value = read();
  assert.deepEqual(answers.all, ['ok newest']);
  await collectGarbage();
  assert.equal(value.deref() === undefined, true);
  assert.equal(settled.length, 0);
  coordinator.close();
});

test('a large value that finds no room is not kept', async () => {
  const { answers, asked, coordinator, settled } = setUpWaiting();
  const large = (): WeakRef<Uint8Array> => {
    const reply = found(5, 'v'.repeat(33 * 1024 * 1024));
    asked.splice(0, 3)[0].reply(reply);
    return new WeakRef(reply.record!);
  };
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  const held = large();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  const refused = large();
  assert.match(answers.all.join(), /^overloaded This node holds as many bytes/);
  await collectGarbage();
  const isKept = [held, refused].map((value) => value.deref() !== undefined);
  assert.deepEqual(isKept, [true, false], 'the first read still waits with its value');
  assert.equal(settled.length, 0);
  coordinator.close();
});

test('once answered it lets go of who asked, however long it waits for the last replica', async () => {
  const { coordinator, asked, settled } = setUpWaiting();
  const ask = (): WeakRef<Answers> => {
    const answers = new Answers();
    coordinator.get(KEY, quorumOptions(1, 3), answers);
    asked[0].reply(ABSENT);
    assert.deepEqual(answers.all, ['notFound']);
    return new WeakRef(answers);
  };
  const client = ask();
  await collectGarbage();
  assert.equal(client.deref() === undefined, true);
  assert.equal(settled.length, 0);
  coordinator.close();
});

test('a write tells who has it, who keeps a newer version, who failed and why', () => {
  const { coordinator, asked, answers, ids, settled } = setUpWaiting(5);
  coordinator.put(KEY, VALUE, quorumOptions(2, 5), answers);
  asked[0].reply(STORED);
  asked[1].reply(stale(101, 7));
  assert.deepEqual(answers.all, ['ok'], 'the very same version, which came twice, is stored');
  asked[2].reply(stale(200, 3));
  asked[3].reply(failed(FailureCode.noSpace, 'disk full'));
  asked[4].reply(failed(99, 'of a newer build'));
  assert.deepEqual(settled, [
    {
      kind: 'write',
      key: 'key1',
      outcome: Outcome.ok,
      version: '101 by 7',
      isConflict: false,
      replicas: [
        `${ids[0]}: current, 101 by 7`,
        `${ids[1]}: current, 101 by 7`,
        `${ids[2]}: newer, 200 by 3`,
        `${ids[3]}: failed, NO_SPACE`,
        `${ids[4]}: failed, FAILURE_99`,
      ],
      answeredAfterMs: [0, 0, 0, 0, 0],
    },
  ]);
});

test('a write that is sent again settles once, with what was said to its last try', () => {
  const { coordinator, asked, answers, ids, settled } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(6000));
  asked[1].reply(stale(5000));
  assert.equal(asked.length, 6);
  asked[3].reply(STORED);
  asked[4].reply(stale(7000, 2));
  assert.deepEqual(answers.all, ['ok'], 'one that has answered before does not put it off again');
  asked[2].reply(failed(FailureCode.overloaded, 'overloaded'));
  assert.equal(settled.length, 0, 'what is said to the first try is not what it waits for');
  asked[5].reply(TIMED_OUT);
  assert.equal(settled.length, 1);
  assert.equal(settled[0].version, '6001 by 7');
  assert.deepEqual(settled[0].replicas, [
    `${ids[0]}: current, 6001 by 7`,
    `${ids[1]}: newer, 7000 by 2`,
    `${ids[2]}: silent, TIMED_OUT`,
  ]);
});

test('a version too far ahead to win over is told with its failure', () => {
  const { coordinator, asked, answers, ids, settled, timestamps } = setUpWaiting();
  timestamps.limit = 4000;
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(5000));
  asked[1].reply(STORED);
  asked[2].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(settled[0].replicas[0], `${ids[0]}: newer, 5000 by 1, VERSION_AHEAD`);
});

test('one too far ahead puts a write off no second time either', () => {
  const { coordinator, asked, answers, ids, settled, timestamps } = setUpWaiting();
  timestamps.limit = 4000;
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  asked[0].reply(stale(200));
  asked[3].reply(stale(5000));
  asked[4].reply(STORED);
  asked[5].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(settled[0].replicas[0], `${ids[0]}: newer, 5000 by 1, VERSION_AHEAD`);
});

test('what is no record is a failure of its replica, also when it comes late', () => {
  const { coordinator, asked, answers, ids, settled } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  asked[0].reply(found(5, 'value'));
  const damaged = Buffer.from(found(9, 'value').record!);
  damaged[0] = 99;
  asked[1].reply(foundRecord(damaged));
  asked[2].reply(found(5, 'value'));
  assert.deepEqual(settled[0].replicas.slice(0, 2), [
    `${ids[0]}: current, 5 by 1`,
    `${ids[1]}: failed, PROTOCOL`,
  ]);
});

test('it settles once, whatever is said twice or after it', () => {
  const { coordinator, asked, answers, settled } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  asked[0].reply(STORED);
  asked[0].reply(failed(FailureCode.storage, 'storage error'));
  asked[1].reply(STORED);
  asked[1].reply(STORED);
  assert.equal(settled.length, 0);
  asked[2].reply(STORED);
  asked[2].reply(failed(FailureCode.storage, 'storage error'));
  asked[0].reply(STORED);
  coordinator.close();
  assert.equal(settled.length, 1);
  assert.deepEqual(answers.all, ['ok']);
});

test('one that ran out of time settles when its replicas are answered for', () => {
  const { coordinator, asked, answers, clock, ids, settled } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(3, 3), answers);
  asked[0].reply(found(5, 'value'));
  clock.advance(TIMEOUT_MS + 10);
  assert.equal(answers.all.length, 1);
  assert.equal(settled.length, 0);
  asked[1].reply(TIMED_OUT);
  asked[2].reply(failed(FailureCode.peerLost, 'node is down'));
  assert.deepEqual(settled[0].replicas, [
    `${ids[0]}: current, 5 by 1`,
    `${ids[1]}: silent, TIMED_OUT`,
    `${ids[2]}: failed, PEER_LOST`,
  ]);
  assert.equal(settled[0].outcome, Outcome.notEnoughReplicas);
});

test('when its node stops what is answered settles, and what is not is answered first', () => {
  const { coordinator, asked, answers, ids, settled } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  asked[0].reply(STORED);
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[3].reply(found(5, 'value'));
  assert.equal(settled.length, 0);
  coordinator.close();
  assert.deepEqual(answers.all, ['ok', 'overloaded This node is stopping.']);
  const [read, write] = settled.toSorted((a, b) => a.kind.localeCompare(b.kind));
  assert.deepEqual(write.replicas, [
    `${ids[0]}: current, 101 by 7`,
    `${ids[1]}: silent`,
    `${ids[2]}: silent`,
  ]);
  assert.deepEqual(write.answeredAfterMs, [0, -1, -1]);
  assert.deepEqual(read.replicas, [`${ids[0]}: current, 5 by 1`, `${ids[1]}: silent`, `${ids[2]}: silent`]);
  for (const question of asked) question.reply(TIMED_OUT);
  assert.equal(settled.length, 2);
  assert.equal(coordinator.unsettled, 0);
});

test('a write that was never sent settles with its answer: nobody was asked', () => {
  const { coordinator, answers, ids, settled, timestamps } = setUpWaiting();
  timestamps.isExhausted = true;
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  timestamps.reserved(new Error('the disk is full'));
  assert.equal(answers.all.length, 1);
  assert.deepEqual([settled[0].version, ...settled[0].replicas], ['', ...ids.map((id) => `${id}: unasked`)]);
});

test('a write whose next try finds no timestamp settles with what was said to the one before', () => {
  const { coordinator, asked, answers, ids, settled, timestamps } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  timestamps.isExhausted = true;
  asked[0].reply(stale(5000));
  asked[1].reply(STORED);
  asked[2].reply(STORED);
  assert.equal(settled.length, 0, 'it is not answered yet');
  timestamps.reserved(new Error('the disk is full'));
  assert.equal(answers.all.length, 1);
  assert.deepEqual(
    [settled.length, settled[0].version, ...settled[0].replicas],
    [
      1,
      '101 by 7',
      `${ids[0]}: newer, 5000 by 1`,
      `${ids[1]}: current, 101 by 7`,
      `${ids[2]}: current, 101 by 7`,
    ],
  );
});

test('a request that could not be sent to all settles at once: not all will answer', () => {
  for (const ack of [1, 3]) {
    const answers = new Answers();
    const replicas = new FakeReplicas(viewOfNodes(3), (question) => {
      question.reply(ABSENT);
      if (question.position === 1) throw new Error('the engine is closed');
    });
    const { coordinator, ids, settled } = setUpCoordinator(replicas);
    coordinator.get(KEY, quorumOptions(ack, 3), answers);
    assert.equal(answers.all.length, 1);
    assert.deepEqual(settled[0].replicas, [`${ids[0]}: current`, `${ids[1]}: current`, `${ids[2]}: silent`]);
    assert.equal(coordinator.unsettled, 0);
  }
});

test('a request that is refused as it stands is none: nothing settles', () => {
  const { coordinator, answers, settled } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(4, 3), answers);
  coordinator.close();
  assert.deepEqual([answers.all.length, settled.length], [1, 0]);
});

test('of large answers that find no room all are heard', () => {
  const { answers, asked, coordinator, ids, settled } = setUpWaiting();
  const large = found(5, 'v'.repeat(32 * 1024 * 1024));
  for (let i = 0; i < 2; i++) {
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    for (const question of asked.splice(0)) {
      if (i === 1 || question.position === 0) question.reply(large);
    }
  }
  assert.match(answers.all.join(), /^overloaded This node holds as many bytes/);
  assert.deepEqual(
    settled.map(({ replicas }) => replicas),
    [ids.map((id) => `${id}: current, 5 by 1`)],
  );
});

test('who is answered may stop the node: the request settles once', () => {
  const { coordinator, asked, answers, settled } = setUpWaiting();
  answers.next = () => coordinator.close();
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  coordinator.get(KEY, quorumOptions(3, 3), answers);
  asked[0].reply(ABSENT);
  assert.equal(answers.all.length, 2);
  assert.equal(settled.length, 2);
  for (const question of asked) question.reply(ABSENT);
  assert.equal(settled.length, 2);
});

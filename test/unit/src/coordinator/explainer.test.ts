import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordTimestamp, recordWriter } from '../../../../native-free-lsm/index.ts';
import type { Replication } from '../../../../src/config.ts';
import { type ExplainedQuestion, ExplanationSlot } from '../../../../src/explanation.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { ABSENT, failed, STORED } from '../../../../src/reply.ts';
import { Consistency, type RequestOptions, requestOptions } from '../../../../src/request-options.ts';
import type { SettlementSink } from '../../../../src/settlement.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  stale,
  TIMEOUT_MS,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas } from '../../../support/fake-replicas.ts';

function setUp(replication: Replication = 'parallel', writesBack = true, sink?: SettlementSink) {
  const replicas = new FakeReplicas(viewOfNodes(3));
  const made = setUpCoordinator(replicas, sink, replication, {}, writesBack);
  const slot = new ExplanationSlot();
  const explained = (said: Partial<RequestOptions> = {}): RequestOptions =>
    requestOptions({ ack: 2, from: 3, explain: slot, ...said });
  return { ...made, asked: replicas.asked, answers: new Answers(), explained, slot };
}

/** `node kind cause asked-answered answer version`, of each question. */
function linesOf(slot: ExplanationSlot): string[] {
  assert.ok(slot.explanation !== null);
  return slot.explanation.questions.map(
    ({ position, kind, cause, askedAfterMs, answeredAfterMs, answer, timestamp }: ExplainedQuestion) =>
      `${position} ${kind} ${cause} ${askedAfterMs}-${answeredAfterMs} ${answer} ${timestamp}`,
  );
}

test('a GET is answered when all have answered, and says who said what and when', () => {
  const { answers, asked, clock, coordinator, explained, ids, slot } = setUp('parallel', false);
  coordinator.get(KEY, explained(), answers, 7);
  clock.advance(3);
  asked[0].reply(found(5, 'new'));
  clock.advance(1);
  asked[2].reply(found(4, 'old'));
  assert.deepEqual(answers.all, []);
  assert.equal(slot.explanation, null);
  clock.advance(6);
  asked[1].reply(ABSENT);
  assert.deepEqual(answers.all, ['ok']);
  assert.deepEqual(linesOf(slot), [
    '0 read first 0-3 value 5',
    '1 read first 0-10 nothing 0',
    '2 read first 0-4 value 4',
  ]);
  const { replicas, questions, ...figures } = slot.explanation!;
  assert.deepEqual(figures, {
    ack: 2,
    from: 3,
    waitedMs: 7,
    answeredAfterMs: 4,
    isSettled: true,
    valueBytes: 3,
    unlisted: 0,
  });
  assert.deepEqual(
    replicas.map(({ node, state }) => `${node} ${state}`),
    [`${ids[0]} current`, `${ids[1]} missing`, `${ids[2]} stale`],
  );
  assert.deepEqual(
    questions.map(({ node }) => node),
    ids,
  );
});

test('who says nothing until the time is over is not waited for any longer', () => {
  const { answers, asked, clock, coordinator, explained, slot } = setUp();
  coordinator.get(KEY, explained(), answers, 100);
  asked[0].reply(ABSENT);
  asked[1].reply(ABSENT);
  clock.advance(TIMEOUT_MS - 100);
  assert.deepEqual(answers.all, []);
  clock.advance(100);
  assert.deepEqual(answers.all, ['notFound']);
  assert.equal(slot.explanation?.isSettled, false);
  assert.equal(linesOf(slot)[2], '2 read first 0-null null 0');
  const before = JSON.stringify(slot.explanation);
  asked[2].reply(ABSENT);
  assert.equal(JSON.stringify(slot.explanation), before);
  assert.equal(answers.all.length, 1);
});

test('one that is asked in the place of one that failed is told from a hedge', () => {
  const { asked, clock, coordinator, explained, answers, slot } = setUp('hedged');
  coordinator.get(KEY, explained({ ack: 1 }), answers);
  asked[0].reply(failed(FailureCode.overloaded, 'too much to do'));
  assert.equal(asked.length, 2);
  clock.advance(200);
  assert.equal(asked.length, 3);
  asked[1].reply(ABSENT);
  asked[2].reply(ABSENT);
  assert.deepEqual(
    slot.explanation?.questions.map(({ cause, failure, reason }) => [cause, failure, reason]),
    [
      ['first', 'OVERLOADED', 'too much to do'],
      ['replacement', '', ''],
      ['hedge', '', ''],
    ],
  );
});

test('so is one that is asked because what another said is no record', () => {
  const { asked, coordinator, explained, answers, slot } = setUp('hedged');
  coordinator.get(KEY, explained({ ack: 1 }), answers);
  asked[0].reply({ ...found(5, 'new'), record: Uint8Array.of(1) });
  asked[1].reply(ABSENT);
  assert.deepEqual(
    slot.explanation?.questions.map(({ cause }) => cause),
    ['first', 'replacement'],
  );
});

test('of replicas that are asked one after the other, those beyond as many as must answer take the place of some', () => {
  const { asked, coordinator, explained, answers, slot } = setUp('sequential');
  coordinator.get(KEY, explained(), answers);
  asked[0].reply({ ...found(5, 'new'), record: Uint8Array.of(1) });
  asked[1].reply(ABSENT);
  asked[2].reply(ABSENT);
  assert.deepEqual(
    slot.explanation?.questions.map(({ cause }) => cause),
    ['first', 'turn', 'replacement'],
  );
});

test('replicas that are asked one after the other have their turns', () => {
  const { asked, coordinator, explained, answers, slot } = setUp('sequential');
  coordinator.get(KEY, explained(), answers);
  asked[0].reply(ABSENT);
  asked[1].reply(ABSENT);
  assert.deepEqual(
    linesOf(slot).map((line) => line.split(' ')[2]),
    ['first', 'turn'],
  );
  assert.deepEqual(
    slot.explanation?.replicas.map(({ state }) => state),
    ['current', 'current', 'unasked'],
  );
});

test('what is written back before the answer is shown, with its version', () => {
  const { asked, coordinator, explained, answers, slot } = setUp();
  coordinator.get(KEY, explained(), answers);
  asked[0].reply(found(5, 'new'));
  asked[1].reply(found(4, 'old'));
  asked[3].reply(STORED);
  asked[2].reply(found(5, 'new'));
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(slot.explanation?.valueBytes, 3);
  assert.equal(linesOf(slot)[3], '1 write-back first 0-0 stored 5');
});

test('each try of a write is shown, and what it met', () => {
  const { asked, coordinator, explained, answers, slot } = setUp();
  coordinator.put(KEY, VALUE, explained(), answers);
  asked[0].reply(stale(200));
  asked[1].reply(stale(300));
  for (const question of asked.slice(3)) question.reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  const lines = linesOf(slot);
  assert.deepEqual(lines.slice(0, 2), ['0 write first 0-0 newer 200', '1 write first 0-0 newer 300']);
  assert.deepEqual(lines.slice(3), [
    '0 write retry 0-0 stored 301',
    '1 write retry 0-0 stored 301',
    '2 write retry 0-0 stored 301',
  ]);
});

test('a replica that holds the version already, because a hint has brought it, has stored it', () => {
  const { asked, coordinator, explained, answers, slot } = setUp();
  coordinator.put(KEY, VALUE, explained(), answers);
  const record = asked[0].record!;
  const [timestamp, writer] = [recordTimestamp(record, 0), recordWriter(record, 0)];
  asked[0].reply(STORED);
  asked[1].reply(stale(timestamp, writer));
  asked[2].reply(stale(timestamp + 1, writer));
  assert.deepEqual(answers.all, ['ok']);
  assert.deepEqual(
    slot.explanation?.questions.map(({ answer, reason }) => [answer, reason]),
    [
      ['stored', ''],
      ['stored', ''],
      ['newer', 'it holds a newer version'],
    ],
  );
});

test('a write that asks for versions first shows both rounds', () => {
  const { asked, coordinator, explained, answers, slot } = setUp();
  coordinator.delete(KEY, explained({ consistency: Consistency.linearizable }), answers);
  for (const question of asked.slice(0, 3)) question.reply(ABSENT);
  for (const question of asked.slice(3)) question.reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.deepEqual(
    slot.explanation?.questions.map(({ kind, answer }) => `${kind} ${answer}`),
    ['version nothing', 'version nothing', 'version nothing', 'write stored', 'write stored', 'write stored'],
  );
});

test('what others do about a replica is shown, and they are told of the request as of any', () => {
  let settled = 0;
  const { asked, coordinator, explained, answers, slot } = setUp('parallel', false, {
    onSettled: (settlement) => {
      settled++;
      settlement.noteFollowUp(1, 'repair');
    },
  });
  coordinator.get(KEY, explained(), answers);
  for (const question of asked) question.reply(ABSENT);
  assert.equal(settled, 1);
  assert.deepEqual(
    slot.explanation?.replicas.map(({ followUps }) => followUps),
    [[], ['repair'], []],
  );
});

test('a node that stops answers what is being explained', () => {
  const { coordinator, explained, answers, slot, clock } = setUp();
  coordinator.get(KEY, explained(), answers);
  coordinator.close();
  assert.deepEqual(answers.all, ['overloaded This node is stopping.']);
  assert.equal(slot.explanation?.isSettled, true);
  assert.equal(clock.pendingTimers, 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordTimestamp } from '../../../../native-free-lsm/index.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { failed, STORED } from '../../../../src/reply.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import {
  Answers,
  KEY,
  setUpCoordinator,
  stale,
  TIMEOUT_MS,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas, type Question } from '../../../support/fake-replicas.ts';

const DOWN = failed(FailureCode.peerUnavailable, 'down');
const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');

function setUp(onQuestion: (question: Question) => void = () => undefined, nodes = 3) {
  const replicas = new FakeReplicas(viewOfNodes(nodes), onQuestion);
  const made = setUpCoordinator(replicas, undefined, 'sequential');
  return { ...made, asked: replicas.asked, answers: new Answers() };
}

function sent(asked: readonly Question[], preferred: readonly number[]): string[] {
  return asked.map(({ node, record }) => `${recordTimestamp(record!, 0)} to ${preferred.indexOf(node)}`);
}

test('replicas are sent the write one after the other; it is answered at the ack-th, and goes on to the last', () => {
  const { answers, asked, clock, coordinator, ids, preferred, settled } = setUp();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  assert.deepEqual(sent(asked, preferred), ['101 to 0']);
  clock.advance(3);
  asked[0].reply(STORED);
  assert.deepEqual(sent(asked, preferred), ['101 to 0', '101 to 1']);
  assert.equal(asked[1].timeoutMs, TIMEOUT_MS - 3);
  assert.equal(asked[1].record, asked[0].record, 'encoded once');
  assert.deepEqual(answers.all, []);
  asked[1].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.deepEqual(sent(asked, preferred), ['101 to 0', '101 to 1', '101 to 2']);
  assert.equal(settled.length, 0);
  asked[2].reply(STORED);
  assert.deepEqual(
    settled[0].replicas,
    ids.map((id) => `${id}: current, 101 by 7`),
  );
});

test('it goes on where a replica fails, also when enough can no longer store it', () => {
  const { answers, asked, coordinator, ids, settled } = setUp();
  coordinator.delete(KEY, quorumOptions(2, 3), answers);
  asked[0].reply(DOWN);
  asked[1].reply(DOWN);
  assert.deepEqual(answers.all, [
    `notEnoughReplicas 2 of 3 replicas had to answer, 0 did (${ids[0]}: down; ${ids[1]}: down; ${ids[2]}: not asked).`,
  ]);
  assert.equal(asked.length, 3);
  assert.equal(settled.length, 0);
  asked[2].reply(STORED);
  assert.deepEqual(settled[0].replicas[2], `${ids[2]}: current, 101 by 7`);
});

test('a replica that says nothing until the deadline keeps it from the others', () => {
  const { answers, asked, clock, coordinator, ids, settled } = setUp();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(STORED);
  clock.advance(TIMEOUT_MS + 10);
  assert.equal(answers.all.length, 1);
  asked[1].reply(TIMED_OUT);
  assert.equal(asked.length, 2);
  assert.deepEqual(settled[0].replicas, [
    `${ids[0]}: current, 101 by 7`,
    `${ids[1]}: silent, TIMED_OUT`,
    `${ids[2]}: unasked`,
  ]);
});

test('a write that is overtaken begins again with the first replica, under a later timestamp', () => {
  const { answers, asked, coordinator, preferred, settled } = setUp();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(200));
  asked[1].reply(stale(300));
  assert.deepEqual(sent(asked, preferred), ['101 to 0', '101 to 1', '301 to 0']);
  asked[1].reply(STORED);
  assert.equal(asked.length, 3, 'a second word is none');
  asked[2].reply(STORED);
  asked[3].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  asked[4].reply(STORED);
  assert.deepEqual(sent(asked, preferred).slice(2), ['301 to 0', '301 to 1', '301 to 2']);
  assert.equal(settled.length, 1);
});

test('replicas that answer inside the call are followed by the next, also in a later try', () => {
  const { answers, asked, coordinator, preferred, settled } = setUp(({ record, reply }) => {
    reply(recordTimestamp(record!, 0) < 200 ? stale(200) : STORED);
  });
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  assert.deepEqual(answers.all, ['ok']);
  assert.deepEqual(sent(asked, preferred), ['101 to 0', '101 to 1', '201 to 0', '201 to 1', '201 to 2']);
  assert.equal(settled.length, 1);
});

test('an overtaken write that finds no timestamp settles with its answer', () => {
  const { answers, asked, coordinator, settled, timestamps } = setUp();
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  timestamps.isExhausted = true;
  asked[0].reply(stale(5_000));
  timestamps.reserved(new Error('the disk is full'));
  assert.equal(answers.all.length, 1);
  assert.equal(settled.length, 1);
  assert.equal(asked.length, 1);
});

test('a node that stops sends what it has answered to all that are left at once, and what it has not to nobody', () => {
  const { answers, asked, clock, coordinator, ids, preferred, settled } = setUp(undefined, 4);
  coordinator.put(KEY, VALUE, quorumOptions(1, 4), answers);
  asked[0].reply(STORED);
  coordinator.put(KEY, VALUE, quorumOptions(2, 4), answers);
  clock.advance(3);
  coordinator.close();
  assert.deepEqual(sent(asked, preferred), ['101 to 0', '101 to 1', '102 to 0', '101 to 2', '101 to 3']);
  assert.equal(asked[4].timeoutMs, TIMEOUT_MS - 3);
  assert.deepEqual(answers.all, ['ok', 'overloaded This node is stopping.']);
  assert.deepEqual(
    settled.map(({ replicas }) => replicas),
    [
      [`${ids[0]}: silent`, ...ids.slice(1).map((id) => `${id}: unasked`)],
      [`${ids[0]}: current, 101 by 7`, ...ids.slice(1).map((id) => `${id}: silent`)],
    ],
  );
  for (const question of asked.slice(1)) question.reply(STORED);
  assert.equal(asked.length, 5);
  assert.equal(settled.length, 2);
});

test('a node that stops sends nothing whose time is over, and closes also when sending throws', () => {
  const late = setUp();
  late.coordinator.put(KEY, VALUE, quorumOptions(1, 3), late.answers);
  late.asked[0].reply(STORED);
  late.clock.advance(TIMEOUT_MS);
  late.coordinator.close();
  assert.equal(late.asked.length, 2);
  assert.equal(late.settled.length, 1);

  let isClosed = false;
  const failing = setUp(() => {
    if (isClosed) throw new Error('the engine is closed');
  });
  for (let i = 0; i < 2; i++) failing.coordinator.put(KEY, VALUE, quorumOptions(1, 3), failing.answers);
  failing.asked[0].reply(STORED);
  failing.asked[1].reply(STORED);
  isClosed = true;
  failing.coordinator.close();
  assert.equal(failing.settled.length, 2);
  assert.deepEqual(failing.answers.all, ['ok', 'ok']);
});

test('what answered writes hold for the replicas that are left is bounded: without room it goes to all of these at once', () => {
  const { answers, asked, clock, coordinator, preferred, settled } = setUp();
  const large = Buffer.alloc(33 * 1024 * 1024);
  coordinator.put(KEY, large, quorumOptions(1, 3), answers);
  asked[0].reply(STORED);
  coordinator.put(KEY, large, quorumOptions(1, 3), answers);
  asked[2].reply(STORED);
  assert.deepEqual(sent(asked, preferred), ['101 to 0', '101 to 1', '102 to 0', '102 to 1', '102 to 2']);
  assert.equal(asked[4].timeoutMs, TIMEOUT_MS);
  asked[3].reply(STORED);
  asked[4].reply(STORED);
  assert.equal(settled.length, 1, 'it has settled like any other');
  // The first is sent to its last replica, so there is room again.
  asked[1].reply(STORED);
  coordinator.put(KEY, large, quorumOptions(1, 3), answers);
  asked[6].reply(STORED);
  assert.deepEqual(sent(asked, preferred).slice(5), ['101 to 2', '103 to 0', '103 to 1']);
  // There is, too, when the time of one is over.
  clock.advance(TIMEOUT_MS);
  asked[7].reply(TIMED_OUT);
  coordinator.put(KEY, large, quorumOptions(1, 3), answers);
  asked[8].reply(STORED);
  assert.deepEqual(sent(asked, preferred).slice(8), ['104 to 0', '104 to 1']);
  assert.deepEqual(answers.all, ['ok', 'ok', 'ok', 'ok']);
});

test('a write that waited for a timestamp has only what is left of its time', () => {
  const { answers, asked, clock, coordinator, timestamps } = setUp();
  timestamps.isExhausted = true;
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  clock.advance(900);
  timestamps.isExhausted = false;
  timestamps.reserved(null);
  clock.advance(60);
  asked[0].reply(STORED);
  assert.deepEqual(
    asked.map(({ timeoutMs }) => timeoutMs),
    [100, 40],
  );
});

test('a replica set that throws ends it', () => {
  const { answers, coordinator, settled } = setUp(({ node, reply }) => {
    if (node === 2) throw new Error('the engine is closed');
    reply(STORED);
  });
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  assert.deepEqual(answers.all, ['failed The request could not be sent: the engine is closed']);
  assert.equal(settled.length, 1);
});

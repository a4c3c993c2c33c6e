import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureCode } from '../../../../src/failure.ts';
import { ABSENT, failed } from '../../../../src/reply.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  TIMEOUT_MS,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas, type Question } from '../../../support/fake-replicas.ts';

const DOWN = failed(FailureCode.peerUnavailable, 'down');
const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');

function setUp(onQuestion: (question: Question) => void = () => undefined) {
  const replicas = new FakeReplicas(viewOfNodes(4), onQuestion);
  const made = setUpCoordinator(replicas, undefined, 'sequential');
  return { ...made, asked: replicas.asked, answers: new Answers() };
}

test('replicas are asked one after the other, in the order of the list, until enough have answered', () => {
  const { answers, asked, clock, coordinator, ids, preferred, settled } = setUp();
  coordinator.get(KEY, quorumOptions(2, 4), answers);
  assert.equal(asked.length, 1);
  clock.advance(5);
  asked[0].reply(found(6, 'newer'));
  assert.equal(asked.length, 2);
  assert.equal(asked[1].timeoutMs, TIMEOUT_MS - 5);
  asked[1].reply(DOWN);
  assert.equal(asked.length, 3);
  asked[2].reply(found(5, 'older'));
  assert.deepEqual(answers.all, ['ok newer']);
  assert.deepEqual(
    asked.map(({ node, position }) => [node, position]),
    preferred.slice(0, 3).map((node, i) => [node, i]),
  );
  assert.deepEqual(settled[0].replicas, [
    `${ids[0]}: current, 6 by 1`,
    `${ids[1]}: failed, PEER_UNAVAILABLE`,
    `${ids[2]}: stale, 5 by 1`,
    `${ids[3]}: unasked`,
  ]);
});

test('when enough can no longer answer nobody else is asked, and who was not is named as such', () => {
  const { answers, asked, coordinator, ids, settled } = setUp();
  coordinator.get(KEY, quorumOptions(3, 4), answers);
  asked[0].reply(DOWN);
  asked[1].reply(DOWN);
  assert.deepEqual(answers.all, [
    `notEnoughReplicas 3 of 4 replicas had to answer, 0 did (${ids[0]}: down; ${ids[1]}: down; ${ids[2]}: not asked; ${ids[3]}: not asked).`,
  ]);
  assert.equal(asked.length, 2);
  assert.equal(settled.length, 1);
});

test('a replica that says nothing keeps the others from being asked, until the deadline', () => {
  const { answers, asked, clock, coordinator, settled } = setUp();
  coordinator.get(KEY, quorumOptions(2, 4), answers);
  clock.advance(TIMEOUT_MS + 10);
  assert.match(answers.all.join(), /no answer in 1000 ms.*not asked/);
  assert.equal(settled.length, 0);
  asked[0].reply(TIMED_OUT);
  assert.equal(asked.length, 1);
  assert.equal(settled.length, 1);
});

test('a replica that says at the deadline that it has no answer is followed by none: there is no time left', () => {
  const { answers, asked, clock, coordinator } = setUp();
  coordinator.get(KEY, quorumOptions(2, 4), answers);
  clock.advance(5);
  coordinator.get(KEY, quorumOptions(2, 4), answers);
  // The deadline of the second has passed, and is seen only some milliseconds later.
  clock.advance(TIMEOUT_MS + 1);
  assert.equal(answers.all.length, 1);
  asked[1].reply(TIMED_OUT);
  assert.equal(asked.length, 2);
  clock.advance(10);
  assert.equal(answers.all.length, 2);
});

test('replicas that answer inside the call that asks them are followed by the next, and a second word asks nobody', () => {
  const { answers, asked, coordinator } = setUp(({ position, reply }) => {
    if (position < 2) reply(position === 0 ? DOWN : ABSENT);
  });
  coordinator.get(KEY, quorumOptions(2, 4), answers);
  assert.equal(asked.length, 3);
  asked[0].reply(ABSENT);
  assert.equal(asked.length, 3);
  asked[2].reply(ABSENT);
  assert.deepEqual(answers.all, ['notFound']);
});

test('a node that stops asks nobody any more', () => {
  const { answers, asked, clock, coordinator, settled } = setUp();
  coordinator.get(KEY, quorumOptions(2, 4), answers);
  coordinator.close();
  asked[0].reply(ABSENT);
  assert.equal(asked.length, 1);
  assert.equal(settled.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

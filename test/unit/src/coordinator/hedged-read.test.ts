/** Hedged reads over replicas that a test answers for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SettlementCounters } from '../../../../src/coordinator/settlement-counters.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { ABSENT, failed, incomplete } from '../../../../src/reply.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  TIMEOUT_MS,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas, type Question } from '../../../support/fake-replicas.ts';

const DOWN = failed(FailureCode.peerUnavailable, 'down');
const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');
/** Of the delays: nothing is known of the replicas, so this is when a read is late. */
const LATE_MS = 20;

/** @param here which of the key's replicas is this node's, by its place in the list; -1: none */
function setUp(
  count = 3,
  here = 0,
  budget = 1,
  onQuestion: (question: Question) => void = () => undefined,
  lateMs = LATE_MS,
) {
  const view = viewOfNodes(count);
  const { ids } = setUpCoordinator(new FakeReplicas(view));
  const replicas = new FakeReplicas(view, onQuestion);
  const counters = new SettlementCounters();
  const delays = { minMs: 1, maxMs: lateMs };
  const hedging = { nodeId: ids[here] ?? '', delays, budget };
  const answers = new Answers();
  const made = setUpCoordinator(replicas, counters, 'hedged', hedging);
  const figures = () => made.coordinator.hedging!;
  const healthOf = (position: number) => figures().replicas.find(({ id }) => id === ids[position])!;
  return { ...made, asked: replicas.asked, answers, counters, figures, healthOf };
}

/** Lets reads be late until those have no budget any more that have much time left. */
function useUpBudget({ answers, asked, clock, coordinator, figures }: ReturnType<typeof setUp>): void {
  while (figures().overBudget === 0) {
    asked.length = 0;
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    asked[0].reply(ABSENT);
    clock.advance(LATE_MS + 2);
    for (const { reply } of asked.slice(1)) reply(ABSENT);
  }
  asked.length = 0;
  answers.all.length = 0;
}

function positions(asked: readonly Question[]): number[] {
  return asked.map(({ position }) => position);
}

test('as many replicas are asked as have to answer, this node first, and the others stay unasked', () => {
  const { answers, asked, clock, coordinator, counters, ids, settled } = setUp(3, 2);
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  assert.deepEqual(positions(asked), [2, 0]);
  asked[0].reply(found(5, 'older'));
  asked[1].reply(found(6, 'newer'));
  assert.deepEqual(answers.all, ['ok newer']);
  clock.advance(2 * TIMEOUT_MS);
  assert.equal(asked.length, 2, 'who is answered asks nobody any more');
  assert.deepEqual(settled[0].replicas, [
    `${ids[0]}: current, 6 by 1`,
    `${ids[1]}: unasked`,
    `${ids[2]}: stale, 5 by 1`,
  ]);
  assert.deepEqual(settled[0].answeredAfterMs, [0, -1, 0]);
  assert.deepEqual(
    counters.figures().replicas.map(({ id }) => id),
    [ids[2]],
    'one that was not asked is neither silent nor failed',
  );
});

test('where all have to answer all are asked, and none can be late', () => {
  const { answers, asked, clock, coordinator, figures } = setUp();
  coordinator.get(KEY, quorumOptions(3, 3), answers);
  assert.equal(asked.length, 3);
  clock.advance(TIMEOUT_MS / 2);
  assert.deepEqual([figures().sent, figures().overBudget], [0, 0]);
});

test('a write goes to all replicas', () => {
  const { answers, asked, coordinator } = setUp();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  assert.deepEqual(positions(asked), [0, 1, 2]);
});

test('for one that fails another is asked at once, in the time that is left', () => {
  const { answers, asked, clock, coordinator, figures } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  clock.advance(7);
  asked[1].reply(DOWN);
  assert.deepEqual(positions(asked), [0, 1, 2]);
  assert.equal(asked[2].timeoutMs, TIMEOUT_MS - 7);
  asked[0].reply(ABSENT);
  asked[2].reply(found(5, 'value'));
  assert.deepEqual(answers.all, ['ok value']);
  assert.deepEqual([figures().replaced, figures().sent], [1, 0]);
});

test('for one that is incomplete another is asked at once, and what it holds counts for freshness alone', () => {
  const { answers, asked, coordinator } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[0].reply(incomplete(found(9, 'newest').record));
  assert.equal(asked.length, 3);
  asked[1].reply(ABSENT);
  assert.deepEqual(answers.all, []);
  asked[2].reply(found(5, 'older'));
  assert.deepEqual(answers.all, ['ok newest']);
});

test('replicas that fail inside the call that asks them are replaced there', () => {
  const { answers, asked, coordinator, figures } = setUp(5, -1, 1, ({ position, reply }) => {
    reply(position < 2 ? DOWN : found(position, `value ${position}`));
  });
  coordinator.get(KEY, quorumOptions(2, 5), answers);
  assert.deepEqual(positions(asked), [0, 1, 2, 3]);
  assert.deepEqual(answers.all, ['ok value 3']);
  assert.equal(figures().replaced, 2);
  for (const { inFlight } of figures().replicas) assert.equal(inFlight, 0);
});

test('when too few can answer it fails as soon as that is certain', () => {
  const { answers, asked, coordinator, ids, settled } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[0].reply(ABSENT);
  asked[1].reply(DOWN);
  assert.deepEqual(answers.all, []);
  asked[2].reply(DOWN);
  assert.deepEqual(answers.all, [
    `notEnoughReplicas 2 of 3 replicas had to answer, 1 did (${ids[1]}: down; ${ids[2]}: down).`,
  ]);
  assert.equal(settled.length, 1);
});

test('when one is late another is asked, and its answer is one answer', () => {
  const { answers, asked, clock, coordinator, figures, healthOf, ids, settled } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[0].reply(found(5, 'old'));
  clock.advance(LATE_MS - 1);
  assert.equal(asked.length, 2);
  clock.advance(2);
  assert.deepEqual(positions(asked), [0, 1, 2]);
  asked[2].reply(found(7, 'new'));
  asked[2].reply(found(8, 'a second word'));
  assert.deepEqual(answers.all, ['ok new']);
  assert.equal(settled.length, 0, 'the late one is still waited for');
  asked[1].reply(found(9, 'late'));
  assert.deepEqual(answers.all, ['ok new']);
  assert.deepEqual(settled[0].replicas, [
    `${ids[0]}: stale, 5 by 1`,
    `${ids[1]}: current, 9 by 1`,
    `${ids[2]}: stale, 7 by 1`,
  ]);
  assert.deepEqual([figures().sent, figures().won], [1, 1]);
  assert.deepEqual([healthOf(2).hedges, healthOf(2).hedgesWon], [1, 1]);
});

test('a hedge that comes too late has not won, and is measured from when it was asked', () => {
  const { answers, asked, clock, coordinator, figures, healthOf } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[0].reply(ABSENT);
  clock.advance(LATE_MS);
  clock.advance(5);
  asked[1].reply(ABSENT);
  assert.equal(answers.all.length, 1);
  asked[2].reply(ABSENT);
  assert.deepEqual([figures().sent, figures().won], [1, 0]);
  assert.equal(healthOf(2).smoothedMs, 5);
  assert.equal(healthOf(1).smoothedMs, LATE_MS + 5);
});

test('as many more are asked as answers are missing, and more when these are late too', () => {
  const { answers, asked, clock, coordinator, figures } = setUp(7);
  coordinator.get(KEY, quorumOptions(3, 7), answers);
  assert.equal(asked.length, 3);
  asked[0].reply(ABSENT);
  clock.advance(LATE_MS + 1);
  assert.equal(asked.length, 5, 'two are missing');
  asked[3].reply(ABSENT);
  clock.advance(LATE_MS + 1);
  assert.equal(asked.length, 6, 'one is');
  asked[5].reply(ABSENT);
  assert.deepEqual(answers.all, ['notFound']);
  clock.advance(TIMEOUT_MS);
  assert.equal(asked.length, 6);
  assert.deepEqual([figures().sent, figures().won], [3, 2]);
});

/** One read waits, while all replicas answer others: they are not silent. */
function waitWhileOthersAreAnswered(
  { answers, asked, clock, coordinator }: ReturnType<typeof setUp>,
  forMs: number,
): void {
  for (let i = 0; i < forMs / 50; i++) {
    coordinator.get(KEY, quorumOptions(3, 3), answers);
    for (const { reply } of asked.splice(0)) reply(ABSENT);
    clock.advance(50);
  }
}

test('when the budget is used up a late read waits until half of its time is over', () => {
  const made = setUp(3, 0, 0.001);
  const { answers, asked, clock, coordinator, figures } = made;
  useUpBudget(made);
  const { overBudget, sent } = figures();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked.splice(0)[0].reply(ABSENT);
  waitWhileOthersAreAnswered(made, TIMEOUT_MS / 2 - 50);
  assert.equal(figures().sent, sent);
  assert.equal(figures().overBudget, overBudget + 1, 'it is one read');
  clock.advance(52);
  assert.equal(asked.length, 1);
  asked[0].reply(ABSENT);
  assert.equal(figures().sent, sent + 1);
  assert.ok(answers.all.every((answer) => answer === 'notFound'));
  assert.equal(answers.all.length, 10);
});

test('without a budget no read is hedged, and it asks for one less and less often', (context) => {
  const made = setUp(3, 0, 0);
  const { answers, asked, clock, coordinator, figures } = made;
  const turns = context.mock.method(clock, 'endOfTurn').mock;
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked.splice(0)[0].reply(ABSENT);
  waitWhileOthersAreAnswered(made, TIMEOUT_MS - 50);
  clock.advance(TIMEOUT_MS);
  assert.match(answers.all.at(-1) ?? '', /^notEnoughReplicas 2 of 3/);
  assert.deepEqual([figures().sent, figures().overBudget], [0, 1]);
  const told = turns.callCount();
  assert.ok(told > 2 && told <= 10, `it was told ${told} times`);
});

test('a read that has waited long in line for its turn is not late for that', () => {
  const made = setUp(3, 0, 0.001);
  const { asked, answers, clock, coordinator, figures } = made;
  useUpBudget(made);
  const { overBudget } = figures();
  coordinator.get(KEY, quorumOptions(2, 3), answers, 700);
  asked[0].reply(ABSENT);
  assert.equal(asked[1].timeoutMs, 300);
  clock.advance(140);
  assert.equal(asked.length, 2, 'half of what it had left is not over');
  assert.equal(figures().overBudget, overBudget + 1);
  clock.advance(15);
  assert.equal(asked.length, 3);
});

test('a replica that is asked in place of another gives those that were asked before no more time', () => {
  const made = setUp(5, -1, 1, () => undefined, 100);
  const { answers, asked, clock, coordinator } = made;
  // The last two have answered once, more slowly: how long they usually take is not known.
  coordinator.get(KEY, quorumOptions(5, 5), answers);
  clock.advance(1);
  for (const { position, reply } of asked) if (position < 3) reply(ABSENT);
  clock.advance(5);
  for (const { position, reply } of asked.splice(0)) if (position >= 3) reply(ABSENT);
  for (let i = 0; i < 16; i++) {
    coordinator.get(KEY, quorumOptions(3, 5), answers);
    assert.deepEqual(positions(asked), [0, 1, 2]);
    clock.advance(1);
    for (const { reply } of asked.splice(0)) reply(ABSENT);
  }
  coordinator.get(KEY, quorumOptions(3, 5), answers);
  clock.advance(1);
  asked[0].reply(DOWN);
  asked[2].reply(ABSENT);
  assert.equal(asked.length, 4);
  clock.advance(2);
  assert.equal(asked.length, 5, 'the second is late');
});

test('how long a replica takes that has answered already does not matter', () => {
  let isInMemory = false;
  const made = setUp(
    3,
    0,
    1,
    ({ position, reply }) => {
      if (isInMemory && position === 0) reply(ABSENT);
    },
    100,
  );
  const { answers, asked, clock, coordinator } = made;
  for (let i = 0; i < 20; i++) {
    coordinator.get(KEY, quorumOptions(3, 3), answers);
    const [here, ...others] = asked.splice(0);
    clock.advance(2);
    for (const { reply } of others) reply(ABSENT);
    clock.advance(38);
    here.reply(ABSENT);
  }
  isInMemory = true;
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  assert.equal(asked.length, 2);
  clock.advance(4);
  assert.equal(asked.length, 3);
});

test('a replica that says at the deadline that it has no answer is replaced by none: there is no time left', () => {
  const { answers, asked, clock, coordinator, figures } = setUp(3, 0, 0);
  const waitedMs = TIMEOUT_MS - 100;
  coordinator.get(KEY, quorumOptions(2, 3), answers, waitedMs);
  clock.advance(5);
  coordinator.get(KEY, quorumOptions(2, 3), answers, waitedMs);
  // The deadline of the second has passed, and is seen only some milliseconds later.
  clock.advance(101);
  assert.equal(answers.all.length, 1);
  asked[3].reply(TIMED_OUT);
  assert.equal(asked.length, 4);
  assert.equal(figures().replaced, 0);
  clock.advance(10);
  assert.equal(answers.all.length, 2);
});

test('a read that is answered at its deadline asks nobody any more', () => {
  const { answers, asked, clock, coordinator } = setUp(5);
  coordinator.get(KEY, quorumOptions(2, 5), answers);
  clock.advance(TIMEOUT_MS + 10);
  assert.match(answers.all.join(), /^notEnoughReplicas 2 of 5/);
  const count = asked.length;
  for (const { reply } of asked.slice(0, 2)) reply(DOWN);
  clock.advance(TIMEOUT_MS);
  assert.equal(asked.length, count);
});

test('a replica that keeps failing is asked beside all others, until it has answered well', () => {
  const { answers, asked, clock, coordinator, healthOf } = setUp();
  for (let i = 0; i < 6; i++) {
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    for (const { position, reply } of asked.splice(0)) reply(position === 1 ? DOWN : ABSENT);
    for (const { reply } of asked.splice(0)) reply(ABSENT);
  }
  assert.deepEqual([healthOf(1).breaker, healthOf(1).opened], ['open', 1]);
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  assert.deepEqual(positions(asked), [0, 2, 1], 'the one that fails is the last');
  for (const { reply } of asked.splice(0)) reply(ABSENT);
  assert.equal(healthOf(1).breaker, 'open', 'it is too early to believe it');
  clock.advance(250);
  assert.equal(healthOf(1).breaker, 'half-open');
  for (let i = 0; i < 3; i++) {
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    assert.equal(asked.length, 3);
    // Nobody waits for it.
    asked[0].reply(ABSENT);
    asked[1].reply(ABSENT);
    assert.equal(answers.all.length, 8 + i);
    asked[2].reply(ABSENT);
    asked.length = 0;
  }
  assert.equal(healthOf(1).breaker, 'closed');
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  assert.equal(asked.length, 2);
});

test('when a replica is found to be silent, all who wait for it ask the others at once, without the budget', () => {
  const { answers, asked, clock, coordinator, figures, healthOf } = setUp(3, 0, 0);
  for (let i = 0; i < 10; i++) coordinator.get(KEY, quorumOptions(2, 3), answers);
  // This node answers, and whatever the second was asked is not answered.
  const second = asked.filter(({ position }) => position === 1).length;
  for (const { position, reply } of asked.splice(0)) if (position !== 1) reply(ABSENT);
  assert.ok(second > 0);
  clock.advance(399);
  assert.equal(asked.length, 0);
  clock.advance(51);
  assert.equal(healthOf(1).breaker, 'open');
  assert.equal(asked.length, second);
  for (const { position, reply } of asked) {
    assert.equal(position, 2);
    reply(ABSENT);
  }
  assert.equal(answers.all.length, 10);
  assert.deepEqual([figures().sent, figures().replaced], [0, 0], 'they are neither late nor failed');
});

test('when a replica is found to be silent or to fail, also those ask the others that would not be late for long', () => {
  const silent = setUp(3, 0, 1, () => undefined, 900);
  silent.coordinator.get(KEY, quorumOptions(2, 3), silent.answers);
  silent.asked[0].reply(ABSENT);
  silent.clock.advance(399);
  assert.equal(silent.asked.length, 2);
  silent.clock.advance(2);
  assert.equal(silent.asked.length, 3);

  const failing = setUp(3, 0, 1, () => undefined, 900);
  for (let i = 0; i < 14; i++) failing.coordinator.get(KEY, quorumOptions(2, 3), failing.answers);
  const [waiting, ...others] = failing.asked.splice(0).filter(({ position }) => position === 1);
  assert.ok(others.length >= 6);
  for (const { reply } of others.slice(0, 6)) reply(DOWN);
  failing.asked.length = 0;
  failing.clock.advance(1);
  assert.ok(failing.asked.length > 0, 'those that wait for it ask others');
  waiting.reply(ABSENT);
});

test('when a replica is found to fail, reads that wait for others ask nobody, and use no budget', () => {
  const { answers, asked, clock, coordinator, figures, healthOf } = setUp(5, -1, 0.05, () => undefined, 900);
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  for (let i = 0; i < 6; i++) coordinator.get(KEY, quorumOptions(5, 5), answers);
  const count = asked.length;
  for (const { position, reply } of asked.slice(2)) if (position === 4) reply(DOWN);
  assert.equal(healthOf(4).breaker, 'open');
  clock.flush();
  assert.equal(asked.length, count);
  assert.deepEqual([figures().sent, figures().overBudget], [0, 0]);
});

test('a late read is not hurried by a replica of its key that is not to be relied upon, when it waits for others', () => {
  const { answers, asked, clock, coordinator, figures, healthOf } = setUp(5, -1, 0);
  coordinator.get(KEY, quorumOptions(2, 5), answers);
  for (let i = 0; i < 6; i++) coordinator.get(KEY, quorumOptions(5, 5), answers);
  const count = asked.length;
  for (const { position, reply } of asked.slice(2)) if (position === 4) reply(DOWN);
  assert.equal(healthOf(4).breaker, 'open');
  clock.advance(LATE_MS + 100);
  assert.equal(asked.length, count);
  assert.deepEqual([figures().sent, figures().overBudget], [0, 1]);
});

test('replicas that have too much to do are replaced, and asked no more often for that', () => {
  const { answers, asked, coordinator, figures, healthOf } = setUp();
  const full = failed(FailureCode.inFlightFull, 'too many requests in flight');
  for (let i = 0; i < 20; i++) {
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    assert.equal(asked.length, 2);
    for (const { position, reply } of asked.splice(0)) reply(position === 1 ? full : ABSENT);
    for (const { reply } of asked.splice(0)) reply(ABSENT);
  }
  assert.equal(healthOf(1).breaker, 'closed');
  assert.deepEqual(new Set(answers.all), new Set(['notFound']));
  assert.deepEqual([figures().sent, figures().replaced], [0, healthOf(1).asked]);
});

test('one that is asked in place of a hedge that failed is no hedge, and of a read that fails none has won', () => {
  const { answers, asked, clock, coordinator, figures } = setUp(5, -1, 1, ({ position, reply }) => {
    if (position === 2) reply(DOWN);
  });
  coordinator.get(KEY, quorumOptions(2, 5), answers);
  clock.advance(LATE_MS);
  assert.deepEqual(positions(asked), [0, 1, 2, 3, 4]);
  assert.deepEqual([figures().sent, figures().replaced], [2, 1]);
  asked[3].reply(ABSENT);
  for (const position of [0, 1, 4]) asked[position].reply(DOWN);
  assert.match(answers.all.join(), /^notEnoughReplicas 2 of 5 replicas had to answer, 1 did/);
  assert.equal(figures().won, 0);
});

test('a read that has asked all, because one failed, is not late any more', () => {
  const { answers, asked, clock, coordinator, figures } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[1].reply(DOWN);
  assert.equal(asked.length, 3);
  clock.advance(10 * LATE_MS);
  assert.deepEqual([figures().overBudget, figures().sent], [0, 0]);
});

test('what the network says late of a time before is not held against a replica that is well again', () => {
  const { answers, asked, clock, coordinator, healthOf } = setUp();
  for (let i = 0; i < 8; i++) coordinator.get(KEY, quorumOptions(3, 3), answers);
  const frozen = asked.splice(0).filter(({ position, reply }) => {
    if (position !== 1) reply(ABSENT);
    return position === 1;
  });
  clock.advance(600);
  assert.notEqual(healthOf(1).breaker, 'closed');
  for (let i = 0; i < 3; i++) {
    coordinator.get(KEY, quorumOptions(3, 3), answers);
    for (const { reply } of asked.splice(0)) reply(ABSENT);
  }
  for (let i = 0; i < 30 && healthOf(1).breaker !== 'closed'; i++) {
    clock.advance(100);
    coordinator.get(KEY, quorumOptions(3, 3), answers);
    for (const { reply } of asked.splice(0)) reply(ABSENT);
  }
  const { opened } = healthOf(1);
  assert.equal(healthOf(1).breaker, 'closed');
  for (const { reply } of frozen) reply(TIMED_OUT);
  assert.deepEqual([healthOf(1).breaker, healthOf(1).opened], ['closed', opened]);
});

test('a replica set that throws fails the read, at first and later, and nothing is left in work', () => {
  let throws = true;
  const unsent = new Set<Question>();
  const made = setUp(3, 0, 1, (question) => {
    if (!throws) return;
    unsent.add(question);
    throw new Error('the engine is closed');
  });
  const { answers, asked, clock, coordinator, figures, settled } = made;
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  throws = false;
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  throws = true;
  asked[1].reply(DOWN);
  throws = false;
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  throws = true;
  clock.advance(LATE_MS + 1);
  const failure = 'failed The request could not be sent: the engine is closed';
  assert.deepEqual(answers.all, [failure, failure, failure]);
  assert.equal(settled.length, 3);
  assert.equal(unsent.size, 3);
  for (const question of asked) if (!unsent.has(question)) question.reply(ABSENT);
  const { replicas } = figures();
  assert.deepEqual(new Set(replicas.map(({ inFlight }) => inFlight)), new Set([0]));
});

test('a replica set that throws, and has somebody answer all the same, is counted once', () => {
  let throws = true;
  const { answers, asked, coordinator, figures, settled } = setUp(3, 0, 1, () => {
    if (throws) throw new Error('the engine is closed');
  });
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  throws = false;
  asked[0].reply(TIMED_OUT);
  assert.deepEqual(answers.all, ['failed The request could not be sent: the engine is closed']);
  assert.equal(settled.length, 1);
  for (const { inFlight } of figures().replicas) assert.equal(inFlight, 0);
});

test('a node that stops hedges no more, and keeps no timer', () => {
  const { answers, asked, clock, coordinator } = setUp();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  coordinator.close();
  assert.deepEqual(answers.all, ['overloaded This node is stopping.']);
  assert.equal(clock.pendingTimers, 0);
  asked[0].reply(DOWN);
  clock.advance(TIMEOUT_MS);
  assert.equal(asked.length, 2);
  assert.equal(clock.pendingTimers, 0);
});

test('what is known of a node stays known when the view changes, whatever its place in it', () => {
  const { answers, asked, cluster, clock, coordinator, figures, ids } = setUp();
  coordinator.get(KEY, quorumOptions(3, 3), answers);
  clock.advance(8);
  for (const { reply } of asked) reply(ABSENT);
  const before = figures().replicas;
  assert.deepEqual(new Set(before.map(({ smoothedMs }) => smoothedMs)), new Set([8]));
  const later = new FakeReplicas(viewOfNodes(5, 2));
  cluster.current = later;
  coordinator.get(KEY, quorumOptions(5, 5), answers);
  assert.equal(later.asked.length, 5);
  const known = figures().replicas.filter(({ smoothedMs }) => smoothedMs === 8);
  assert.deepEqual(known.map(({ id }) => id).toSorted(), ids.toSorted());
  assert.equal(figures().replicas.length, 5);
});

test('hedges stay counted when a node leaves', () => {
  const { answers, asked, cluster, clock, coordinator, figures } = setUp(5, -1);
  for (let i = 0; i < 10; i++) {
    coordinator.get(KEY, quorumOptions(2, 5), answers);
    clock.advance(LATE_MS + 2);
    for (const { reply } of asked.splice(0)) reply(ABSENT);
  }
  const { sent, won } = figures();
  assert.ok(sent > 10);
  cluster.current = new FakeReplicas(viewOfNodes(1, 2));
  coordinator.get(KEY, quorumOptions(1, 1), answers);
  assert.equal(figures().replicas.length, 1);
  assert.deepEqual([figures().sent, figures().won], [sent, won]);
});

test('reads that are not hedged have no figures', () => {
  const { coordinator } = setUpCoordinator(new FakeReplicas(viewOfNodes(3)));
  assert.equal(coordinator.hedging, null);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conditions } from '../../../../src/conditions.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { CLOCK_OFF, ClockWatch } from '../../../../src/node/clock-watch.ts';
import { OwnTime } from '../../../../src/own-time.ts';
import { failed, found, type ReplySink } from '../../../../src/reply.ts';
import { encodeClock } from '../../../../src/rpc/clock-message.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const HOUR_MS = 3_600_000;

interface Question {
  readonly nodeId: string;
  /** The peer's clock, so far ahead of this node's. */
  answer(aheadMs: number): void;
  fail(): void;
  garble(): void;
}

/** @param reachedMs how much of own time the node knows of when it starts; 0: it is new */
function setUp(peerIds: readonly string[] = ['b', 'c'], reachedMs?: number) {
  const clock = new FakeClock();
  const rightMs = clock.nowMs();
  const asked: Question[] = [];
  const logged: string[] = [];
  const log = {
    info: (line: string) => void logged.push(line),
    error: (line: string) => void logged.push(line),
  };
  const conditions = new Conditions({ clock, log });
  const time = new OwnTime({
    clock,
    clusterSize: peerIds.length + 1,
    maxDriftMs: 500,
    reachedMs: reachedMs ?? rightMs - 1000,
    reservedMs: rightMs,
    earliestMs: rightMs - 1000 * HOUR_MS,
    latestMs: rightMs + 1000 * HOUR_MS,
  });
  const ask = (nodeId: string, _timeoutMs: number, sink: ReplySink, position: number): void => {
    const reply = (record: Uint8Array): void => sink.onReply(position, found(record));
    asked.push({
      nodeId,
      answer: (aheadMs) => {
        const wallMs = rightMs + clock.monotonicMs() + aheadMs;
        reply(encodeClock({ wallMs, ownMs: wallMs, acceptMs: wallMs }));
      },
      fail: () => sink.onReply(position, failed(FailureCode.peerUnavailable, 'down')),
      garble: () => reply(Buffer.alloc(7)),
    });
  };
  const watch = new ClockWatch({ clock, time, ask, peerIds: () => peerIds, conditions, log });
  watch.measureSoon();
  clock.advance(0);
  return { clock, time, watch, asked, conditions, logged };
}

test('every peer is asked twice a second, whatever they answer, until it is closed', () => {
  const { clock, asked, watch, time } = setUp();
  assert.deepEqual(
    asked.map(({ nodeId }) => nodeId),
    ['b', 'c'],
  );
  for (const question of asked) question.answer(0);
  assert.equal(time.mayIssue, true);
  clock.advance(2_000);
  assert.equal(asked.length, 2 + 2 * 4);
  watch.close();
  clock.advance(2_000);
  assert.equal(asked.length, 10);
  assert.equal(clock.pendingTimers, 0);
});

test('a clock that two measurements find wrong is a condition, and the first that finds it right ends that', () => {
  const { clock, asked, conditions, logged } = setUp();
  for (const question of asked.splice(0)) question.answer(-HOUR_MS);
  assert.deepEqual(conditions.list(), [], 'it takes a second look');
  clock.advance(100);
  assert.equal(asked.length, 2, 'and that comes soon');
  for (const question of asked.splice(0)) question.answer(-HOUR_MS);
  const [condition] = conditions.list();
  assert.deepEqual([condition.code, condition.stopsWrites], [CLOCK_OFF, true]);
  clock.advance(100);
  for (const question of asked.splice(0)) question.answer(0);
  assert.deepEqual(conditions.list(), []);
  assert.equal(logged.length, 2, logged.join('\n'));
});

test('a measurement is over when all have answered or failed; a peer that is slow does not begin the next', () => {
  const { clock, asked, time } = setUp();
  asked[0].answer(-HOUR_MS);
  clock.advance(300);
  assert.equal(asked.length, 2, 'it waits for the other');
  assert.equal(time.mayIssue, false);
  asked[1].fail();
  clock.advance(100);
  assert.equal(asked.length, 4);
});

test('a peer that keeps coming does not keep a measurement from its end, and is asked after it', () => {
  const { asked, clock, time, watch } = setUp(undefined, 0);
  asked[0].answer(0);
  for (let times = 0; times < 10; times++) {
    watch.measureSoon();
    clock.advance(40);
  }
  assert.equal(asked.length, 2);
  assert.equal(time.mayIssue, false, 'the other may know the time');
  asked[1].fail();
  assert.equal(time.mayIssue, true);
  clock.advance(0);
  assert.equal(asked.length, 4, 'at once');
  asked[2].answer(0);
  asked[3].answer(0);
  clock.advance(400);
  assert.equal(asked.length, 4, 'and once');
});

test('after a jump what was asked before does not count, and it is asked at once', () => {
  const { clock, asked, time } = setUp();
  for (const question of asked.splice(0)) question.answer(0);
  clock.advance(500);
  const before = asked.splice(0);
  clock.setWallMs(clock.nowMs() + HOUR_MS);
  time.read();
  assert.equal(time.mayIssue, false);
  clock.advance(20);
  assert.equal(asked.length, 2);
  for (const question of before) question.answer(0);
  assert.equal(time.mayIssue, false, 'those have not jumped yet');
  asked[0].answer(HOUR_MS);
  assert.equal(time.mayIssue, true, 'with this one they are most of three');
});

test('whatever a peer with a wrong clock writes, clocks are measured once a second more than without it', () => {
  const { clock, asked, time } = setUp();
  for (const question of asked.splice(0)) question.answer(0);
  clock.advance(5);
  let rounds = 0;
  for (let passedMs = 0; passedMs < 10_000; passedMs++) {
    time.onDoubt(false);
    clock.advance(1);
    rounds += asked.length / 2;
    if (passedMs === 20) assert.equal(rounds, 1, 'the first at once');
    for (const question of asked.splice(0)) question.answer(0);
  }
  assert.ok(rounds >= 20 && rounds <= 30, `${rounds} in ten seconds`);
});

test('a clock that jumps again and again is measured as often as one that is not known to be right', () => {
  const { clock, asked, time } = setUp();
  for (const question of asked.splice(0)) question.answer(0);
  clock.advance(5);
  let rounds = 0;
  for (let passedMs = 0; passedMs < 10_000; passedMs++) {
    clock.setWallMs(clock.nowMs() + (passedMs % 2 === 0 ? HOUR_MS : -HOUR_MS));
    time.read();
    clock.advance(1);
    rounds += asked.length / 2;
    for (const question of asked.splice(0)) question.answer(0);
  }
  assert.ok(rounds >= 90 && rounds <= 120, `${rounds} in ten seconds`);
});

test('what is no clock is no answer', () => {
  const { asked, time } = setUp(['b']);
  asked[0].garble();
  assert.equal(time.mayIssue, true, 'alone it goes by its own time');
});

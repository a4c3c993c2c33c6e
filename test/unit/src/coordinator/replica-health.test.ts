import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaHealth, TICK_MS } from '../../../../src/coordinator/replica-health.ts';

const DELAYS = { minMs: 2, maxMs: 100 };

/** Answers one read after the other, each a tick long at most. */
function answers(health: ReplicaHealth, count: number, latencyMs: number, atMs = 0): void {
  for (let i = 0; i < count; i++) {
    health.ask();
    health.inFlight--;
    health.succeed(latencyMs, atMs + latencyMs);
  }
}

function ticksUntilOpen(health: ReplicaHealth, atMs = 0): number {
  for (let ticks = 1; ticks < 100; ticks++) if (health.tick(atMs + ticks * TICK_MS)) return ticks;
  return Number.POSITIVE_INFINITY;
}

test('others are asked in its place after the time that nearly all of its answers take, within the bounds', () => {
  const health = new ReplicaHealth('a', DELAYS);
  assert.equal(health.hedgeDelayMs, DELAYS.maxMs, 'nothing is known of it');
  answers(health, 15, 0.5);
  assert.equal(health.hedgeDelayMs, DELAYS.maxMs, 'too little is known of it');
  answers(health, 1, 0.5);
  assert.equal(health.hedgeDelayMs, DELAYS.minMs);
  answers(health, 900, 5);
  answers(health, 100, 20);
  assert.ok(health.hedgeDelayMs >= 20 && health.hedgeDelayMs < 22, `${health.hedgeDelayMs}`);
  answers(health, 200, 400);
  assert.equal(health.hedgeDelayMs, DELAYS.maxMs);
});

test('one that is asked and says nothing is silent after 200 ms, and half a second at most', () => {
  const quick = new ReplicaHealth('a', DELAYS);
  answers(quick, 100, 1);
  quick.ask();
  quick.tick(0);
  assert.equal(ticksUntilOpen(quick) * TICK_MS, 200);
  const slow = new ReplicaHealth('b', DELAYS);
  answers(slow, 100, 180);
  slow.ask();
  slow.tick(0);
  const allowedMs = ticksUntilOpen(slow) * TICK_MS;
  assert.ok(allowedMs >= 360 && allowedMs <= 500, `${allowedMs} ms`);
});

test('as long as it is not known how long its answers take, it is not silent before 400 ms', () => {
  const health = new ReplicaHealth('a', DELAYS);
  health.ask();
  for (let atMs = 0; atMs < 350; atMs += TICK_MS) assert.equal(health.tick(atMs), false);
  health.succeed(350, 350);
  assert.equal(health.breaker.isClosed, true, 'its first answer was a large one');
  assert.equal(health.tick(350), false);
  health.ask();
  assert.equal(ticksUntilOpen(health, 350) * TICK_MS, 400);
});

test('one that is not asked is not silent, nor is one that says anything, nor one that fails', () => {
  const idle = new ReplicaHealth('a', DELAYS);
  assert.equal(ticksUntilOpen(idle), Number.POSITIVE_INFINITY);
  const busy = new ReplicaHealth('b', DELAYS);
  for (let i = 0; i < 50; i++) {
    busy.ask();
    if (i % 3 === 0) busy.succeed(1, i * TICK_MS);
    assert.equal(busy.tick(i * TICK_MS), false);
  }
  const timing = new ReplicaHealth('c', DELAYS);
  answers(timing, 100, 1);
  timing.tick(0);
  timing.ask();
  timing.ask();
  for (let i = 0; i < 3; i++) timing.tick(i * TICK_MS);
  timing.fail(1_000, 150, true);
  assert.equal(timing.tick(200), true, 'a time-out is no word of it');
});

test('one that had no time to answer has not failed', () => {
  const hurried = new ReplicaHealth('a', DELAYS);
  for (let i = 0; i < 100; i++) hurried.fail(150, 150 + i, true);
  assert.equal(hurried.breaker.isClosed, true);
  for (let i = 0; i < 6; i++) hurried.fail(200, 500 + i, true);
  assert.equal(hurried.breaker.isClosed, false);
  const refusing = new ReplicaHealth('b', DELAYS);
  for (let i = 0; i < 6; i++) refusing.fail(1, 1 + i, false);
  assert.equal(refusing.breaker.isClosed, false, 'a refusal takes no time');
});

test('failures say nothing of how fast it is', () => {
  const health = new ReplicaHealth('a', DELAYS);
  answers(health, 20, 10);
  const { smoothedMs, p99Ms } = health;
  for (let i = 0; i < 3; i++) health.fail(0, 100, false);
  assert.deepEqual([health.smoothedMs, health.p99Ms], [smoothedMs, p99Ms]);
});

test('slow it opens, and what it is like meanwhile is not what is expected of it afterwards', () => {
  const health = new ReplicaHealth('a', DELAYS);
  answers(health, 1_000, 5);
  const { p99Ms } = health;
  health.slowAboveMs = 50;
  answers(health, 3, 200);
  assert.equal(health.tick(950), false, 'it may be so for a moment');
  answers(health, 1, 200);
  assert.equal(health.tick(1_000), true);
  // Half-open from 1250 on: it is still slow, and opens again, until it is fast.
  for (let atMs = 1_000; atMs < 9_000; atMs += 10) health.succeed(200, atMs);
  assert.equal(health.breaker.isClosed, false);
  assert.ok(health.breaker.opened <= 7, `${health.breaker.opened}`);
  let atMs = 12_000;
  for (; !health.breaker.isClosed; atMs++) health.succeed(5, atMs);
  assert.equal(atMs, 12_003);
  assert.equal(health.smoothedMs, 5);
  assert.equal(health.tick(atMs), false);
  answers(health, 64, 5, atMs);
  assert.ok(health.p99Ms < 2 * p99Ms, `${health.p99Ms}`);
});

test('its first answers do not make it slow, nor does one that came before it had nothing to do', () => {
  const cold = new ReplicaHealth('a', DELAYS);
  cold.slowAboveMs = 50;
  for (let atMs = 0; atMs < 7; atMs++) {
    answers(cold, 1, 80);
    assert.equal(cold.tick(atMs * TICK_MS), false);
  }
  answers(cold, 1, 80);
  cold.tick(1_000);
  answers(cold, 1, 80);
  assert.equal(cold.tick(1_050), true, 'it is slow after all');
  const idle = new ReplicaHealth('b', DELAYS);
  idle.slowAboveMs = Number.POSITIVE_INFINITY;
  answers(idle, 100, 80);
  idle.tick(0);
  idle.slowAboveMs = 50;
  for (let i = 1; i < 100; i++)
    assert.equal(idle.tick(i * TICK_MS), false, 'others are faster, and are asked');
  for (let i = 100; i < 120; i++) {
    answers(idle, 1, 1, i * TICK_MS);
    assert.equal(idle.tick(i * TICK_MS), false, 'when it is asked again it is fast');
  }
});

test('what is usual for it falls at once, and rises slowly', () => {
  const health = new ReplicaHealth('a', DELAYS);
  assert.equal(health.usualMs, 0);
  const tickFor = (ms: number, latencyMs: number): void => {
    for (let atMs = 0; atMs < ms; atMs += TICK_MS) {
      answers(health, 10, latencyMs);
      health.tick(atMs);
    }
  };
  tickFor(1_000, 90);
  assert.ok(Math.abs(health.usualMs - 90) < 1, `${health.usualMs}`);
  tickFor(1_000, 5);
  assert.ok(Math.abs(health.usualMs - 5) < 0.1, `${health.usualMs}`);
  tickFor(5_000, 200);
  assert.ok(health.usualMs < 6, `${health.usualMs} after 5 s`);
  tickFor(10 * 60_000, 200);
  assert.ok(health.usualMs > 190, `${health.usualMs} after 10 minutes`);
});

test('one that is too busy is not believed to have become faster, and has not failed', () => {
  const health = new ReplicaHealth('a', DELAYS);
  answers(health, 10, 40);
  for (let i = 0; i < 100; i++) {
    health.decline(true);
    health.tick(i * TICK_MS);
  }
  assert.equal(health.expectedMs, 40);
  assert.equal(health.breaker.isClosed, true);
});

test('what comes late from before says nothing of it: a thawed node is not called slow for what it owed', () => {
  const health = new ReplicaHealth('a', DELAYS);
  answers(health, 100, 1);
  health.slowAboveMs = 50;
  health.breaker.open(1_000);
  for (let i = 0; i < 3; i++) health.succeed(1, 1_300);
  assert.equal(health.breaker.isClosed, true);
  for (let i = 0; i < 100; i++) {
    health.succeed(900, 1_400);
    health.fail(1_000, 1_400, true);
  }
  assert.equal(health.smoothedMs, 1);
  assert.equal(health.tick(1_450), false);
});

test('one that was not measured for a while is believed to have become faster, until it is measured again', () => {
  const health = new ReplicaHealth('a', DELAYS);
  answers(health, 10, 40);
  const before = health.expectedMs;
  for (let i = 0; i < 100; i++) health.tick(i * TICK_MS);
  assert.ok(health.expectedMs < before / 16, `${health.expectedMs}`);
  assert.equal(health.isMeasured, false);
  assert.equal(health.smoothedMs, 40, 'the status shows what was measured');
  answers(health, 1, 40, 5_000);
  assert.equal(health.expectedMs, 40);
  assert.equal(health.isMeasured, true);
});

test('what it has in work makes it take longer', () => {
  const health = new ReplicaHealth('a', DELAYS);
  answers(health, 10, 4);
  for (let i = 0; i < 3; i++) health.ask();
  assert.equal(health.expectedMs, 16);
  assert.equal(health.asked, 13);
});

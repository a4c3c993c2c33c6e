import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CircuitBreaker } from '../../../../src/coordinator/circuit-breaker.ts';

const FIRST_HOLD_MS = 250;
const MAX_HOLD_MS = 2_000;
const FORGIVEN_AFTER_MS = 10_000;
const PROBES = 3;

/** Hears of what was asked and answered at this time, as its owner does. */
function answer(breaker: CircuitBreaker, nowMs: number, isGood: boolean, askedMs = nowMs): void {
  if (breaker.isNews(askedMs)) breaker.hear(nowMs, isGood);
}

function probeWell(breaker: CircuitBreaker, nowMs: number): void {
  for (let i = 0; i < PROBES; i++) answer(breaker, nowMs, true);
}

/** How long it stays open from now on. */
function holdMs(breaker: CircuitBreaker, nowMs: number): number {
  let heldMs = 0;
  while (breaker.stateAt(nowMs + heldMs) === 'open') heldMs++;
  return heldMs;
}

test('six failures in a row open it, one in three does not', () => {
  const breaker = new CircuitBreaker();
  for (let i = 0; i < 300; i++) answer(breaker, i, i % 3 !== 0);
  assert.equal(breaker.stateAt(300), 'closed');
  const failing = new CircuitBreaker();
  for (let i = 0; i < 5; i++) answer(failing, i, false);
  assert.equal(failing.isClosed, true);
  assert.equal(failing.hear(5, false), true);
  assert.equal(failing.stateAt(5), 'open');
  assert.equal(failing.opened, 1);
});

test('half of the answers failing opens it', () => {
  const breaker = new CircuitBreaker();
  for (let i = 0; i < 100 && breaker.isClosed; i++) answer(breaker, i, i % 2 === 0);
  assert.equal(breaker.isClosed, false);
});

test('open, it hears nothing until its time is over; then three good answers in a row close it', () => {
  const breaker = new CircuitBreaker();
  breaker.open(1_000);
  for (let i = 0; i < 10; i++) answer(breaker, 1_100, true);
  assert.equal(breaker.stateAt(1_100), 'open');
  assert.equal(breaker.open(1_100), false);
  assert.equal(breaker.opened, 1, 'it is open already');
  const halfMs = 1_000 + FIRST_HOLD_MS;
  assert.equal(breaker.stateAt(halfMs), 'half-open');
  answer(breaker, halfMs + 50, true, halfMs - 1);
  answer(breaker, halfMs + 50, false, halfMs - 1);
  answer(breaker, halfMs + 50, true);
  answer(breaker, halfMs + 50, true);
  assert.equal(breaker.stateAt(halfMs + 50), 'half-open', 'what was asked before says nothing, either way');
  assert.equal(breaker.hear(halfMs + 60, true), true);
  assert.equal(breaker.isClosed, true);
});

test('a bad answer opens it again, for twice as long, but not for ever longer', () => {
  const breaker = new CircuitBreaker();
  let nowMs = 0;
  breaker.open(nowMs);
  const held: number[] = [];
  for (let i = 0; i < 6; i++) {
    held.push(holdMs(breaker, nowMs));
    nowMs += held[i];
    answer(breaker, nowMs, true);
    answer(breaker, nowMs, false);
  }
  assert.deepEqual(held, [250, 500, 1_000, 2_000, 2_000, 2_000]);
});

test('opened soon after it closed it stays open for longer; closed for long it has forgotten that', () => {
  const breaker = new CircuitBreaker();
  breaker.open(0);
  probeWell(breaker, FIRST_HOLD_MS);
  breaker.open(FIRST_HOLD_MS + FORGIVEN_AFTER_MS - 1);
  const nowMs = FIRST_HOLD_MS + FORGIVEN_AFTER_MS - 1;
  assert.equal(holdMs(breaker, nowMs), 2 * FIRST_HOLD_MS);
  const closedMs = nowMs + 2 * FIRST_HOLD_MS;
  probeWell(breaker, closedMs);
  breaker.open(closedMs + FORGIVEN_AFTER_MS);
  assert.equal(holdMs(breaker, closedMs + FORGIVEN_AFTER_MS), FIRST_HOLD_MS);
});

test('what was asked before it closed does not open it: time-outs of the time before come late', () => {
  const breaker = new CircuitBreaker();
  breaker.open(0);
  probeWell(breaker, 300);
  for (let i = 0; i < 100; i++) answer(breaker, 1_200, false, 200);
  assert.equal(breaker.isClosed, true);
});

test('whatever happens, it opens at most once in each time that it stays open, and is never stuck', () => {
  const step = fc.record({
    passMs: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 3_000 })),
    what: fc.constantFrom('good', 'bad', 'open'),
    lateMs: fc.constantFrom(0, 0, 1, 500),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const breaker = new CircuitBreaker();
      let nowMs = 1_000;
      for (const { passMs, what, lateMs } of steps) {
        nowMs += passMs;
        if (what === 'open') breaker.open(nowMs);
        else answer(breaker, nowMs, what === 'good', nowMs - lateMs);
      }
      assert.ok(breaker.opened <= 1 + (nowMs - 1_000) / FIRST_HOLD_MS);
      nowMs += MAX_HOLD_MS;
      assert.notEqual(breaker.stateAt(nowMs), 'open');
      if (!breaker.isClosed) probeWell(breaker, nowMs);
      assert.equal(breaker.stateAt(nowMs), 'closed');
    }),
  );
});

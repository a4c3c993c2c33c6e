import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacedRefusals, type Refusable } from '../../../../src/admission/paced-refusals.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

class Refused implements Refusable {
  sinceMs = 0;
  behind: Refusable | null = null;
  ahead: Refusable | null = null;
  atMs = -1;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  onRefused(): void {
    assert.equal(this.atMs, -1, 'refused twice');
    this.atMs = this.#clock.monotonicMs();
  }
}

function burst(refusals: PacedRefusals, clock: FakeClock, count: number): Refused[] {
  const all = Array.from({ length: count }, () => new Refused(clock));
  for (const request of all) refusals.refuse(request);
  return all;
}

test('a few are refused at once, many at a pace and in their order, and nobody later than the time-out', () => {
  const clock = new FakeClock();
  const refusals = new PacedRefusals(100, 1000, 10_000, clock);
  const few = burst(refusals, clock, 25);
  assert.ok(few.every(({ atMs }) => atMs === 0));
  const many = burst(refusals, clock, 400);
  clock.advance(500);
  const soon = many.filter(({ atMs }) => atMs >= 0).length;
  assert.ok(soon >= 45 && soon <= 55, `${soon} in half a second`);
  clock.advance(520);
  const times = many.map(({ atMs }) => atMs);
  assert.ok(times.every((atMs) => atMs >= 0 && atMs <= 1020));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.equal(clock.pendingTimers, 0);
  assert.equal(refusals.waiting, 0);
});

test('clients that are refused and come back at once are refused no more often than the pace', () => {
  const clock = new FakeClock();
  const refusals = new PacedRefusals(100, 1000, 10_000, clock);
  let refused = 0;
  for (let i = 0; i < 10; i++) {
    const again: Refusable = {
      sinceMs: 0,
      behind: null,
      ahead: null,
      onRefused() {
        refused++;
        clock.after(1, () => refusals.refuse(again));
      },
    };
    refusals.refuse(again);
  }
  clock.advance(10_000);
  assert.ok(refused <= 1000 + 25, `${refused}`);
  assert.ok(refused >= 900, `${refused}`);
});

test('however many wait, all are kept to the pace, and nobody for longer than a request may take', () => {
  const clock = new FakeClock();
  const refusals = new PacedRefusals(100, 1000, 10_000, clock);
  const many = burst(refusals, clock, 5000);
  assert.equal(many.filter(({ atMs }) => atMs === 0).length, 25);
  clock.advance(999);
  assert.ok(many.filter(({ atMs }) => atMs >= 0).length <= 25 + 100);
  clock.advance(21);
  assert.ok(many.every(({ atMs }) => atMs >= 0));
});

test('a flush keeps nobody', () => {
  const clock = new FakeClock();
  const refusals = new PacedRefusals(100, 1000, 10_000, clock);
  const many = burst(refusals, clock, 2000);
  refusals.flush();
  assert.ok(many.every(({ atMs }) => atMs === 0));
  assert.equal(clock.pendingTimers, 0);
});

test('beyond the bound all are refused at once', () => {
  const clock = new FakeClock();
  const refusals = new PacedRefusals(100, 1000, 50, clock);
  const many = burst(refusals, clock, 200);
  assert.equal(many.filter(({ atMs }) => atMs === 0).length, 200 - 50);
  assert.equal(refusals.waiting, 50);
});

test('a request that is over meanwhile leaves the list, wherever it is, and takes no turn from others', () => {
  const clock = new FakeClock();
  const refusals = new PacedRefusals(100, 1000, 10_000, clock);
  const waiting = burst(refusals, clock, 35).slice(25);
  for (const i of [0, 4, 9, 4]) refusals.remove(waiting[i]);
  assert.equal(refusals.waiting, 7);
  clock.advance(80);
  const told = waiting.map(({ atMs }) => atMs >= 0);
  assert.deepEqual(told, [false, true, true, true, false, true, true, true, true, false]);
  assert.equal(clock.pendingTimers, 0);
  refusals.remove(waiting[1]);
  assert.equal(refusals.waiting, 0);
  const alone = burst(refusals, clock, 1);
  refusals.remove(alone[0]);
  assert.equal(refusals.waiting, 0);
  assert.equal(clock.pendingTimers, 0);
});

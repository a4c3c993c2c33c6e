import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyWatch, WATCH_TICKS, type WatchedBody } from '../../../../src/http/body-watch.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const LEAST_BYTES_PER_SECOND = 1000;

class Body implements WatchedBody {
  watchedEarlier: WatchedBody | null = null;
  watchedLater: WatchedBody | null = null;
  watchedTicks = 0;
  watchedBytes = 0;
  told: number | null = null;

  onTooSlow(leastBytesPerSecond: number): void {
    this.told = leastBytesPerSecond;
  }
}

function watched(): { clock: FakeClock; watch: BodyWatch; body: Body } {
  const clock = new FakeClock();
  const watch = new BodyWatch(LEAST_BYTES_PER_SECOND, clock);
  const body = new Body();
  watch.add(body);
  return { clock, watch, body };
}

test('a body that does not come is given up when its grace is over', () => {
  const { body, clock } = watched();
  clock.advance((WATCH_TICKS - 1) * 1000);
  assert.equal(body.told, null);
  clock.advance(1000);
  assert.equal(body.told, LEAST_BYTES_PER_SECOND);
  assert.equal(clock.pendingTimers, 0);
});

test('a body that comes at the least rate is read for as long as it does', () => {
  const { body, clock } = watched();
  for (let second = 0; second < 100; second++) {
    body.watchedBytes += LEAST_BYTES_PER_SECOND;
    clock.advance(1000);
  }
  assert.equal(body.told, null);
  // A burst is no credit for later.
  body.watchedBytes += 1_000_000;
  clock.advance(WATCH_TICKS * 1000);
  assert.equal(body.told, null);
  clock.advance(WATCH_TICKS * 1000);
  assert.equal(body.told, LEAST_BYTES_PER_SECOND);
});

test('each of several bodies is told once, and the others stay watched when one is taken out', () => {
  const clock = new FakeClock();
  const watch = new BodyWatch(LEAST_BYTES_PER_SECOND, clock);
  const bodies = Array.from({ length: 4 }, () => new Body());
  for (const body of bodies) watch.add(body);
  for (const i of [1, 0, 1]) watch.remove(bodies[i]);
  clock.advance(WATCH_TICKS * 1000);
  assert.deepEqual(
    bodies.map(({ told }) => told),
    [null, null, LEAST_BYTES_PER_SECOND, LEAST_BYTES_PER_SECOND],
  );
  watch.add(bodies[0]);
  clock.advance(WATCH_TICKS * 1000);
  assert.equal(bodies[0].told, LEAST_BYTES_PER_SECOND);
  assert.equal(clock.pendingTimers, 0);
});

test('a body that has arrived is no longer watched', () => {
  const { body, clock, watch } = watched();
  watch.remove(body);
  clock.advance(60_000);
  assert.equal(body.told, null);
  assert.equal(clock.pendingTimers, 0);
});

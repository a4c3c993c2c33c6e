import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForegroundPace } from '../../../../src/replica/foreground-pace.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const { signal } = new AbortController();

function paceOf(requestsPerMs: number): { clock: FakeClock; pace: ForegroundPace } {
  const clock = new FakeClock();
  const beganMs = clock.monotonicMs();
  const requests = (): number => (clock.monotonicMs() - beganMs) * requestsPerMs;
  return { clock, pace: new ForegroundPace({ clock, requests, restShare: 3, maxRestMs: 1_000 }) };
}

/** How long it rests after work of so many ms. */
async function restAfter(clock: FakeClock, pace: ForegroundPace, workMs: number): Promise<number> {
  clock.advance(workMs);
  let isOver = false;
  const rest = pace.rest(signal).then(() => {
    isOver = true;
  });
  let restMs = 0;
  for (;;) {
    for (let turn = 0; turn < 10; turn++) await undefined;
    if (isOver) break;
    assert.ok(restMs < 5_000, 'it rests for ever');
    clock.advance(1);
    restMs++;
  }
  await rest;
  return restMs;
}

test('while nobody asks, it does not rest', async () => {
  const { clock, pace } = paceOf(0.05);
  pace.begin();
  assert.equal(await restAfter(clock, pace, 500), 0);
});

test('while clients ask, it rests in proportion to its work, and not for ever', async () => {
  const { clock, pace } = paceOf(1);
  clock.advance(60_000);
  pace.begin();
  assert.equal(await restAfter(clock, pace, 100), 300);
  assert.equal(await restAfter(clock, pace, 20), 60);
  assert.equal(await restAfter(clock, pace, 60_000), 1_000);
});

test('a rest ends with the signal', async () => {
  const { clock, pace } = paceOf(1);
  const stop = new AbortController();
  pace.begin();
  clock.advance(100);
  const rest = pace.rest(stop.signal);
  stop.abort(new Error('stopping'));
  await assert.rejects(rest, /stopping/);
});

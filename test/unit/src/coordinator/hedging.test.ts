/** What a node hears of its replicas, told by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hedging } from '../../../../src/coordinator/hedging.ts';
import type { ReplicaHealth } from '../../../../src/coordinator/replica-health.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { viewOfNodes } from '../../../support/coordinator-by-hand.ts';
import { hedgingOf } from '../../../support/replication.ts';
import { StalledClock } from '../../../support/stalled-clock.ts';

const READS = 10;
const TIMEOUT_MS = 1_000;
const PAUSE_MS = 1_200;

/** Each node is asked now. */
function ask(hedging: Hedging, healths: readonly ReplicaHealth[]): void {
  for (const health of healths) for (let i = 0; i < READS; i++) health.ask();
  hedging.watch();
}

function timeOut(
  hedging: Hedging,
  healths: readonly ReplicaHealth[],
  latencyMs: number,
  nowMs: number,
): void {
  for (const health of healths) {
    for (let i = 0; i < READS; i++) {
      health.inFlight--;
      hedging.hear(health, latencyMs, nowMs, FailureCode.timedOut);
    }
  }
}

function brokenOf(healths: readonly ReplicaHealth[]): number {
  return healths.filter(({ breaker }) => !breaker.isClosed).length;
}

for (const [when, ticksFirst] of [
  ['before', false],
  ['after', true],
] as const) {
  test(`this process stands still: time-outs ${when} its next tick are held against no replica`, () => {
    const clock = new StalledClock();
    const hedging = new Hedging(hedgingOf(''), clock);
    const { healths } = hedging.rankingOf(viewOfNodes(3));
    ask(hedging, healths);
    clock.atMs += PAUSE_MS;
    if (ticksFirst) clock.goOff();
    timeOut(hedging, healths, PAUSE_MS, clock.atMs);
    assert.equal(brokenOf(healths), 0);
    hedging.close();
  });
}

test('what is asked after a pause, and times out while all ticks come, is held against a replica', () => {
  const clock = new FakeClock();
  const hedging = new Hedging(hedgingOf(''), clock);
  const { healths } = hedging.rankingOf(viewOfNodes(3));
  ask(hedging, healths);
  // They say something all the time, but not to this: silence is not what opens their breakers here.
  for (let atMs = 0; atMs < TIMEOUT_MS; atMs += 50) {
    for (const health of healths) hedging.hear(health, 1, clock.monotonicMs(), FailureCode.none);
    clock.advance(50);
  }
  assert.equal(brokenOf(healths), 0);
  timeOut(hedging, healths, TIMEOUT_MS, clock.monotonicMs());
  assert.equal(brokenOf(healths), 3);
  hedging.close();
});

test('a replica that has too much to do is no fault of it, and what was not sent to it is no word of it', () => {
  const clock = new FakeClock();
  const hedging = new Hedging(hedgingOf(''), clock);
  const { healths } = hedging.rankingOf(viewOfNodes(3));
  const codes = [FailureCode.inFlightFull, FailureCode.queueFull, FailureCode.overloaded];
  ask(hedging, healths);
  for (let i = 0; i < 20; i++) {
    for (const [node, health] of healths.entries()) hedging.hear(health, 0, clock.monotonicMs(), codes[node]);
    if (i === 6) assert.equal(brokenOf(healths), 0, 'six refusals in a row');
    clock.advance(50);
  }
  assert.deepEqual(
    healths.map(({ breaker }) => breaker.isClosed),
    [false, false, true],
    'who says nothing for long is silent, whatever could not be sent to it meanwhile',
  );
  hedging.close();
});

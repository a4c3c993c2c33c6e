import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRing, RingConsumer, RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import { until } from '../../support/until.ts';
import { consumeRun } from './ring-frames.ts';
import { runThread, STRESS } from './thread.ts';

// Waits have no timeout here: a lost wake-up shows as a test that does not end.
const LIMITS = { timeout: 120_000 * STRESS };

for (const [seed, capacityBytes] of [1024, 16 << 10].entries()) {
  test(`two threads over a ring of ${capacityBytes} bytes, both falling asleep`, LIMITS, async (t) => {
    const run = { ring: createRing(capacityBytes), frames: 100_000 * STRESS, seed };
    const [, sleeps] = await Promise.all([
      runThread<string>(t, './ring-producer.ts', run),
      runThread<number>(t, './ring-consumer.ts', run),
    ]);
    assert.ok(sleeps > 0);
  });
}

test('a thread wakes the main thread by the doorbell, and is woken by it for room', LIMITS, async (t) => {
  const doorbell = new SharedArrayBuffer(4);
  const words = new Int32Array(doorbell);
  const run = { ring: createRing(1024), frames: 20_000 * STRESS, seed: 7, doorbell };
  const consumer = new RingConsumer(run.ring);
  const { maxPayloadBytes } = new RingProducer(run.ring);
  const done = runThread<string>(t, './ring-producer.ts', run);
  for (let tag = 0; tag < run.frames; ) {
    const seen = Atomics.load(words, 0);
    const taken = consumeRun(consumer, tag, 300, maxPayloadBytes);
    tag += taken;
    if (taken === 0) await Atomics.waitAsync(words, 0, seen).value;
  }
  await done;
  assert.ok(consumer.empty);
});

test('a thread that sleeps for frames looks up when it is nudged, and finds none', LIMITS, async (t) => {
  const ring = createRing(1024);
  const producer = new RingProducer(ring);
  let found: boolean | undefined;
  const looked = runThread<boolean>(t, './ring-sleeper.ts', { ring }).then((isEmpty) => {
    found = isEmpty;
  });
  await until(
    () => {
      producer.nudge();
      return found !== undefined;
    },
    30_000,
    () => 'the thread sleeps on',
  );
  await looked;
  assert.equal(found, true);
  assert.equal(producer.usedBytes, 0);
  assert.equal(producer.framesPushed, 0);
});

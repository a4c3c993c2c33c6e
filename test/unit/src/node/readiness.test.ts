import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TimestampWaiter } from '../../../../src/hybrid-clock.ts';
import { Readiness } from '../../../../src/node/readiness.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

function setUp(clusterSize: number, isKnown: boolean) {
  const clock = new FakeClock();
  const up = new Set<string>();
  const wholeness = { isKnown };
  const peerIds = Array.from({ length: clusterSize - 1 }, (_, i) => `p${i + 1}`);
  const waiting = new Set<TimestampWaiter>();
  const timestamps = {
    isReady: true,
    refusal: undefined as string | undefined,
    wait: (waiter: TimestampWaiter) => void waiting.add(waiter),
    stopWaiting: (waiter: TimestampWaiter) => void waiting.delete(waiter),
  };
  const sources = { wholeness, timestamps, peerIds, isLinked: (id: string) => up.has(id) };
  const readiness = new Readiness(sources, clock);
  let isReached = false;
  readiness.reached.then(() => {
    isReached = true;
  });
  /** Promises take a turn to tell. */
  const reached = async (): Promise<boolean> => {
    await new Promise<void>((resolve) => process.nextTick(resolve));
    return isReached;
  };
  return { clock, up, wholeness, timestamps, waiting, readiness, reached };
}

test('a node that has no timestamps yet is ready when it has, or when it must not write', async () => {
  for (const change of [{ isReady: true }, { refusal: 'The clock is wrong' }]) {
    const { up, timestamps, waiting, readiness, reached } = setUp(2, true);
    up.add('p1');
    timestamps.isReady = false;
    readiness.check();
    readiness.check();
    assert.equal(await reached(), false);
    assert.equal(waiting.size, 1);
    for (const waiter of [...waiting]) if (waiting.delete(waiter)) waiter.onTimestamps(null);
    assert.equal(await reached(), false);
    Object.assign(timestamps, change);
    for (const waiter of [...waiting]) if (waiting.delete(waiter)) waiter.onTimestamps(null);
    assert.equal(await reached(), true);
  }
});

test('a node that cannot have timestamps, for its disk, asks for them no more and is ready', async () => {
  const { up, timestamps, waiting, readiness, reached } = setUp(2, true);
  timestamps.isReady = false;
  up.add('p1');
  readiness.check();
  let told = 0;
  for (const waiter of waiting) {
    waiting.delete(waiter);
    assert.equal(++told, 1);
    waiter.onTimestamps(new Error('the disk is full'));
  }
  assert.equal(told, 1);
  assert.equal(await reached(), true);
});

test('a node that is ready without timestamps waits for them no longer, whoever connects later', async () => {
  const { clock, up, timestamps, waiting, readiness, reached } = setUp(2, true);
  up.add('p1');
  timestamps.isReady = false;
  readiness.check();
  assert.equal(waiting.size, 1);
  clock.advance(1_000);
  assert.equal(await reached(), true);
  readiness.check();
  assert.equal(waiting.size, 0);
});

test('a cluster of one is ready at once', async () => {
  assert.equal(await setUp(1, true).reached(), true);
});

test('ready as soon as all peers are linked and it is known whether the data is whole', async () => {
  const { clock, up, wholeness, readiness, reached } = setUp(3, false);
  up.add('p1').add('p2');
  readiness.check();
  assert.equal(await reached(), false);
  wholeness.isKnown = true;
  readiness.check();
  assert.equal(await reached(), true);
  assert.equal(clock.pendingTimers, 0);
});

test('with a majority, a peer that stays away is waited for a little', async () => {
  const { clock, up, readiness, reached } = setUp(3, true);
  up.add('p2');
  readiness.check();
  clock.advance(299);
  readiness.check();
  assert.equal(await reached(), false);
  clock.advance(1);
  assert.equal(await reached(), true);
});

test('without a majority, or without knowing whether its data is whole, a node is ready after a second', async () => {
  for (const [clusterSize, isKnown, peersUp] of [
    [4, true, ['p1']],
    [3, true, []],
    [3, false, ['p1', 'p2']],
  ] as const) {
    const { clock, up, readiness, reached } = setUp(clusterSize, isKnown);
    for (const node of peersUp) up.add(node);
    clock.advance(999);
    readiness.check();
    assert.equal(await reached(), false);
    clock.advance(1);
    assert.equal(await reached(), true);
  }
});

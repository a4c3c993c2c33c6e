import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Readiness } from '../../../src/node-readiness.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function setUp(clusterSize: number, isSettled: boolean) {
  const clock = new FakeClock();
  const up = new Set<number>();
  const standing = { isSettled };
  const readiness = new Readiness({ standing, mesh: { isUp: (node) => up.has(node) }, clusterSize }, clock);
  let isReached = false;
  readiness.reached.then(() => {
    isReached = true;
  });
  /** Promises take a turn to tell. */
  const reached = async (): Promise<boolean> => {
    await new Promise<void>((resolve) => process.nextTick(resolve));
    return isReached;
  };
  return { clock, up, standing, readiness, reached };
}

test('a cluster of one is ready at once', async () => {
  assert.equal(await setUp(1, true).reached(), true);
});

test('ready as soon as all peers are up and the standing is known', async () => {
  const { clock, up, standing, readiness, reached } = setUp(3, false);
  up.add(1).add(2);
  readiness.check();
  assert.equal(await reached(), false);
  standing.isSettled = true;
  readiness.check();
  assert.equal(await reached(), true);
  assert.equal(clock.pendingTimers, 0);
});

test('with a majority, a peer that stays away is waited for a little', async () => {
  const { clock, up, readiness, reached } = setUp(3, true);
  up.add(2);
  readiness.check();
  clock.advance(299);
  readiness.check();
  assert.equal(await reached(), false);
  clock.advance(1);
  assert.equal(await reached(), true);
});

test('without a majority, or without knowing its standing, a node is ready after a second', async () => {
  for (const [clusterSize, isSettled, peersUp] of [
    [4, true, [1]],
    [3, true, []],
    [3, false, [0, 1]],
  ] as const) {
    const { clock, up, readiness, reached } = setUp(clusterSize, isSettled);
    for (const node of peersUp) up.add(node);
    clock.advance(999);
    readiness.check();
    assert.equal(await reached(), false);
    clock.advance(1);
    assert.equal(await reached(), true);
  }
});

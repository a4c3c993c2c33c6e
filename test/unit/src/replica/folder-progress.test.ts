import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FolderProgress } from '../../../../src/replica/folder-progress.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

function setUp(isSynced: boolean) {
  const engine = { newestTimestamp: 5 };
  const clock = new FakeClock();
  const advanced: number[] = [];
  const advanceSoon = (newestTimestamp: number) => void advanced.push(newestTimestamp);
  const progress = new FolderProgress({ engine, store: { advanceSoon }, clock, isSynced });
  return { engine, clock, advanced, progress };
}

test('progress is raised once a second while something is written, and not otherwise', () => {
  const { engine, clock, advanced } = setUp(true);
  clock.advance(5_000);
  assert.deepEqual(advanced, [], 'what was there before is no progress');
  for (let i = 0; i < 30; i++) {
    engine.newestTimestamp++;
    clock.advance(100);
  }
  assert.deepEqual(advanced, [15, 25, 35]);
  clock.advance(5_000);
  assert.deepEqual(advanced, [15, 25, 35]);
});

test('the last write is noted at the end', () => {
  const { engine, clock, advanced, progress } = setUp(true);
  engine.newestTimestamp = 9;
  progress.close();
  progress.close();
  assert.deepEqual([advanced, clock.pendingTimers], [[9], 0]);
});

test('progress that a power cut may take is not reported', () => {
  const { engine, advanced, progress } = setUp(false);
  engine.newestTimestamp = 9;
  progress.close();
  assert.deepEqual(advanced, [0]);
});

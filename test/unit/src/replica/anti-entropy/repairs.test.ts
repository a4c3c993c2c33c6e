import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Repairs } from '../../../../../src/replica/anti-entropy/repairs.ts';
import type { Stretch } from '../../../../../src/replica/anti-entropy/round-schedule.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';

test('a repair that takes long is seen to end, however often others ask for rounds meanwhile', () => {
  const stretches: Stretch[] = [];
  const repairs = new Repairs({
    nodeId: 'n0',
    peers: { ask: () => Promise.reject(new Error('nobody is asked')) },
    clock: new FakeClock(),
    schedule: (first, last) => {
      stretches.push({ first, last });
      return stretches.slice(-1);
    },
  });
  repairs.begin(0, 9, []);
  for (let times = 0; times < 40; times++) repairs.beginPart(0, 9);
  assert.equal(repairs.latest?.isDone, false);
  for (const stretch of stretches) repairs.onRound(stretch, null);
  assert.equal(repairs.latest?.isDone, true);
  // What is over is forgotten in time.
  const { repair } = repairs.beginPart(0, 9);
  for (let times = 0; times < 40; times++) {
    repairs.beginPart(0, 9);
    repairs.onRound(stretches.at(-1) as Stretch, null);
  }
  assert.equal(repairs.progressOf(repair).left, 1);
  assert.notEqual(repairs.progressOf(repair + 1).obstacle, '');
  repairs.close();
});

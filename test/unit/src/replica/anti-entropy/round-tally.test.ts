import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SLOT_COUNT } from '../../../../../native-free-lsm/index.ts';
import type { RoundResult } from '../../../../../src/replica/anti-entropy/round-leader.ts';
import { RoundSchedule } from '../../../../../src/replica/anti-entropy/round-schedule.ts';
import { RoundTally } from '../../../../../src/replica/anti-entropy/round-tally.ts';

const RESULT: RoundResult = {
  slots: 10,
  differing: 2,
  settled: 10,
  keysSent: 3,
  oldestSettled: 700,
  obstacle: null,
  isOwnerAway: false,
  isOwnerLost: false,
};

test('all is done since the oldest of the stretches, and none counts whose owners were not all there', () => {
  const tally = new RoundTally();
  const stretches = new RoundSchedule().addAll();
  for (const [index, stretch] of stretches.entries()) {
    assert.equal(tally.allDoneSinceMs, null);
    tally.note(stretch, RESULT, 100 + index);
  }
  assert.equal(tally.allDoneSinceMs, 100);
  tally.note(stretches[0], { ...RESULT, isOwnerAway: true }, 500);
  tally.note(stretches[0], { ...RESULT, isOwnerLost: true }, 501);
  assert.equal(tally.allDoneSinceMs, 100);
  tally.note(stretches[0], RESULT, 502);
  assert.equal(tally.allDoneSinceMs, 101);
  const { keysSent, slotsDiffering, stretches: count } = tally;
  const rounds = stretches.length + 3;
  assert.deepEqual([count, slotsDiffering, keysSent], [rounds, 2 * rounds, 3 * rounds]);
});

test('the watermark is that of the stretch which is behind, and a part of a stretch says nothing of it', () => {
  const tally = new RoundTally();
  assert.equal(tally.watermark, 0);
  const [first, second] = new RoundSchedule().addAll();
  tally.note({ first: 5, last: 9 }, { ...RESULT, oldestSettled: 1 }, 1);
  tally.note({ first: 0, last: SLOT_COUNT - 1 }, { ...RESULT, oldestSettled: 1 }, 1);
  assert.equal(tally.watermark, 0);
  tally.note(first, RESULT, 1);
  tally.note(second, { ...RESULT, oldestSettled: 600 }, 1);
  assert.equal(tally.watermark, 600);
  tally.note(second, { ...RESULT, oldestSettled: 900 }, 2);
  assert.equal(tally.watermark, 700);
});

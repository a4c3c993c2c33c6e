import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyHistories } from '../../support/key-histories.ts';

const TIME = { beganMs: 1000, endedMs: 1010 };

test('a read may show the last write that was answered, and those that were asked for since', () => {
  const histories = new KeyHistories(['a', 'b']);
  histories.check(0, 0, null, TIME, 'get');
  const first = histories.ask(0, '1.');
  const second = histories.ask(0, '2.');
  for (const shown of [null, '1.', '2.']) histories.check(0, 0, shown, TIME, 'get');
  histories.answer(0, second);
  histories.answer(0, first);
  assert.equal(histories.answeredOf(0), second);
  assert.deepEqual(histories.answered(), [second, 0]);
  assert.equal(histories.isAbsent(0), false);
  assert.equal(histories.isAbsent(1), true);
  histories.check(0, second, '2.', TIME, 'get');
  assert.throws(
    () => histories.check(0, second, '1.', TIME, 'get'),
    /get: the key "a" shows "1.", which is outdated; it may show "2."/,
  );
  assert.throws(() => histories.check(0, second, null, TIME, 'get'), /shows nothing/);
  assert.throws(() => histories.check(0, first, '3.', TIME, 'get'), /not what it has/);
  histories.forget();
  histories.check(0, 0, '2.', TIME, 'get');
  assert.throws(() => histories.check(0, 0, null, TIME, 'get'), /shows nothing/);
});

test('a value may be there until it ends at the latest, and be gone when it ends at the earliest', () => {
  const histories = new KeyHistories(['a']);
  histories.ask(0, '1.', 1005, 1007);
  for (const shown of [null, '1.']) histories.check(0, 1, shown, TIME, 'get');
  assert.throws(() => histories.check(0, 1, null, { beganMs: 990, endedMs: 1004 }, 'get'), /shows nothing/);
  assert.throws(() => histories.check(0, 1, '1.', { beganMs: 1008, endedMs: 1009 }, 'get'), /shows "1."/);
});

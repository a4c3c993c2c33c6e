import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordTimestamp, SLOT_COUNT, slotOf } from '../../../../../native-free-lsm/index.ts';
import { FailureCode } from '../../../../../src/failure.ts';
import { SettledWrites } from '../../../../../src/replica/anti-entropy/settled-writes.ts';
import { Judgement, SlotPromises } from '../../../../../src/replica/anti-entropy/slot-promises.ts';
import { isSettledVersion, ReplyKind } from '../../../../../src/reply.ts';

function promisesOf(): { promises: SlotPromises; watermarks: Float64Array } {
  const watermarks = new Float64Array(SLOT_COUNT);
  return { promises: new SlotPromises(watermarks), watermarks };
}

test('a late write breaks a close, and one above it does not', () => {
  const { promises } = promisesOf();
  promises.close(7, 11, 100);
  assert.equal(promises.judge(7, 101), Judgement.take);
  assert.equal(promises.isClosed(7, 11, 100), true);
  assert.equal(promises.judge(7, 100), Judgement.take);
  assert.equal(promises.isClosed(7, 11, 100), false);
  assert.equal(promises.brokenCloses, 1);
});

test('a close is for its round alone, and a later one takes its place', () => {
  const { promises } = promisesOf();
  promises.close(7, 11, 100);
  assert.equal(promises.isClosed(7, 12, 100), false);
  assert.equal(promises.isClosed(7, 11, 99), false);
  promises.close(7, 12, 200);
  assert.equal(promises.isClosed(7, 11, 100), false);
  assert.equal(promises.isClosed(8, 0, 0), false);
});

test('what is barred is taken no more; what is settled is told by its own answer', () => {
  const { promises, watermarks } = promisesOf();
  promises.bar(7, 100);
  assert.equal(promises.judge(7, 100), Judgement.barred);
  assert.equal(promises.judge(7, 101), Judgement.take);
  assert.equal(promises.judge(8, 100), Judgement.take);
  promises.settle(7, 90);
  assert.deepEqual([promises.judge(7, 90), promises.judge(7, 91)], [Judgement.settled, Judgement.barred]);
  assert.equal(watermarks[7], 90);
  promises.unsettle();
  assert.equal(promises.judge(7, 90), Judgement.barred);
  assert.equal(watermarks[7], 90, 'a watermark is never lowered');
  assert.equal(promises.highest, 100);
});

test('a settled write is answered with the watermark, a barred one may come again', () => {
  const { promises } = promisesOf();
  const writes = new SettledWrites(promises);
  const key = Buffer.from('key');
  promises.settle(slotOf(key), 90);
  promises.bar(slotOf(key), 100);
  const settled = writes.judge(key, 80);
  assert.equal(settled?.kind, ReplyKind.stale);
  assert.ok(settled?.record != null && isSettledVersion(settled.record));
  assert.equal(recordTimestamp(settled.record, 0), 90);
  assert.deepEqual(
    [writes.judge(key, 95)?.kind, writes.judge(key, 95)?.code],
    [ReplyKind.failed, FailureCode.settling],
  );
  assert.equal(writes.judge(key, 101), null);
  assert.equal(writes.refused, 3);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fate, RetentionRule } from '../../../../native-free-lsm/compaction/retention.ts';
import { encodeRecord, type RecordFields } from '../../../../native-free-lsm/format/record.ts';
import { SLOT_COUNT, slotOf } from '../../../../native-free-lsm/format/slot.ts';
import { SlotSet } from '../../../../native-free-lsm/slots/slot-set.ts';

const NOW = 1_700_000_000_000;

function record(fields: Partial<RecordFields>): Uint8Array {
  const all = { timestamp: 2 ** 50 + 1, writer: 7, tombstone: false, from: 3, expiryMs: 0, ...fields };
  return encodeRecord(all, Buffer.from(all.tombstone ? '' : 'value'));
}

const KEY = Buffer.from('-key1');

function judge(
  fields: Partial<RecordFields>,
  bottommost: boolean,
  dropTombstonesBelow: number,
  watermarks: SharedArrayBuffer | null = null,
): Fate {
  const bytes = Buffer.concat([Buffer.alloc(3), record(fields)]);
  const rule = new RetentionRule({ bottommost, dropTombstonesBelow, watermarks, nowMs: NOW }, new SlotSet());
  return rule.judge(bytes, 3, KEY, 1, KEY.length);
}

test('values that live are kept', () => {
  for (const expiryMs of [0, NOW + 1]) {
    assert.equal(judge({ expiryMs }, true, Number.MAX_SAFE_INTEGER), Fate.keep);
  }
});

test('a tombstone goes only at the bottom and below the mark', () => {
  const tombstone = { tombstone: true, timestamp: 100 };
  assert.equal(judge(tombstone, true, 101), Fate.drop);
  assert.equal(judge(tombstone, true, 100), Fate.keep);
  assert.equal(judge(tombstone, true, 0), Fate.keep);
  assert.equal(judge(tombstone, false, 101), Fate.keep);
  assert.equal(judge({ ...tombstone, expiryMs: 1 }, false, 101), Fate.keep);
});

test('an expired value becomes a tombstone of its version, or goes where a tombstone would', () => {
  const expired = { expiryMs: NOW, timestamp: 2 ** 50 + 1 };
  assert.equal(judge(expired, true, 2 ** 50 + 2), Fate.drop);
  assert.equal(judge(expired, true, 2 ** 50 + 1), Fate.bury);
  assert.equal(judge(expired, false, Number.MAX_SAFE_INTEGER), Fate.bury);
  const slots = new SlotSet();
  const rule = new RetentionRule(
    { bottommost: false, dropTombstonesBelow: 0, watermarks: null, nowMs: NOW },
    slots,
  );
  rule.judge(record({ tombstone: true }), 0, KEY, 1, KEY.length);
  assert.ok(slots.isEmpty, 'a deletion stays what it was');
  for (const timestamp of [5, 2 ** 53 - 1]) {
    assert.equal(rule.judge(record({ ...expired, timestamp }), 0, KEY, 1, KEY.length), Fate.bury);
    const tombstone = encodeRecord(
      { timestamp, writer: 7, tombstone: true, from: 3, expiryMs: 0 },
      Buffer.alloc(0),
    );
    assert.deepEqual(Buffer.from(rule.tombstone), tombstone);
  }
  assert.deepEqual([...slots.slots()], [slotOf(KEY, 1, KEY.length)]);
});

test('at the bottom, what is at or below the watermark of its slot goes, and what is of no other replica', () => {
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * 8);
  const slot = slotOf(KEY, 1, KEY.length);
  new Float64Array(watermarks).fill(1000);
  new Float64Array(watermarks)[slot] = 100;
  for (const fields of [{ tombstone: true }, { expiryMs: NOW }]) {
    const kept = fields.tombstone === true ? Fate.keep : Fate.bury;
    assert.equal(judge({ ...fields, timestamp: 100 }, true, 0, watermarks), Fate.drop);
    assert.equal(judge({ ...fields, timestamp: 101 }, true, 0, watermarks), kept);
    assert.equal(judge({ ...fields, timestamp: 100 }, false, 0, watermarks), kept);
    assert.equal(judge({ ...fields, timestamp: 101, from: 0 }, true, 0, watermarks), Fate.drop);
    assert.equal(judge({ ...fields, timestamp: 101, from: 0 }, true, 0, null), kept);
  }
  assert.equal(judge({ timestamp: 100 }, true, 0, watermarks), Fate.keep);
});

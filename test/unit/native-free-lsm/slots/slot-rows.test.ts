import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotRows } from '../../../../native-free-lsm/slots/slot-rows.ts';

const NOTHING_MORE = [7, 1, 0, 0, 0] as const;

function lowOf(index: number): number {
  return Math.imul(index, 0x9e3779b1) >>> 0;
}

/** Rows whose places in the table collide are among them. */
function addRows(rows: SlotRows, count: number, timestamp: number): void {
  for (let index = 0; index < count; index++) rows.add(index % 3, lowOf(index), timestamp, ...NOTHING_MORE);
}

test('nothing of one slot is left for the next, however many rows each has', () => {
  const rows = new SlotRows();
  for (const [turn, count] of [3, 900, 0, 5, 40, 300, 1, 900].entries()) {
    rows.clear();
    addRows(rows, count, turn + 1);
    assert.equal(rows.count, count);
    const { timestamps } = rows.versions();
    assert.ok(timestamps.every((timestamp) => timestamp === turn + 1));
    for (let index = 0; index < 900; index++)
      assert.equal(rows.find(index % 3, lowOf(index)) >= 0, index < count, `row ${index} of ${count}`);
  }
});

test('small slots cost little after one with very many keys, which clients may choose', () => {
  const rows = new SlotRows();
  addRows(rows, 300_000, 1);
  rows.clear();
  const before = process.cpuUsage();
  for (let slot = 0; slot < 20_000; slot++) {
    addRows(rows, 2, 1);
    rows.clear();
  }
  const { user, system } = process.cpuUsage(before);
  // A few milliseconds; several seconds if each went through all of the table.
  assert.ok(user + system < 1_000_000, `${(user + system) / 1_000} ms of CPU time`);
});

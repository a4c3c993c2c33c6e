/** What every StorageEngine says of its slots, compared with a plain walk of what was written. */
import assert from 'node:assert/strict';
import {
  addFold,
  Fingerprinter,
  isTombstone,
  recordExpiryMs,
  recordFlags,
  recordFrom,
  recordTimestamp,
  recordWriter,
} from '../../../native-free-lsm/index.ts';
import type { StorageEngine } from '../../../src/replica/storage-engine.ts';

/** Records by key, in the latin1 letters of its bytes: the newest version of each. */
export type WrittenRecords = ReadonlyMap<string, Uint8Array>;

interface ExpectedVersion {
  readonly key: string;
  readonly high: number;
  readonly low: number;
  readonly record: Uint8Array;
}

/** The records by slot, in the order of fingerprints. The engine must have been opened with the same seed. */
function expectedBySlot(
  written: WrittenRecords,
  seed: { low: number; high: number },
): Map<number, ExpectedVersion[]> {
  const fingerprinter = new Fingerprinter(seed);
  const bySlot = new Map<number, ExpectedVersion[]>();
  for (const [key, record] of written) {
    if (recordFrom(record, 0) === 0) continue;
    fingerprinter.take(Buffer.from(key, 'latin1'), 0, key.length);
    const { high, low } = fingerprinter;
    const slot = high >>> 16;
    bySlot.set(slot, [...(bySlot.get(slot) ?? []), { key, high, low, record }]);
  }
  for (const versions of bySlot.values()) versions.sort((a, b) => a.high - b.high || a.low - b.low);
  return bySlot;
}

/**
 * Compares everything that the engine says of all slots that have a key, and of one that has none.
 * @param watermarkOf by slot
 */
export async function expectSlots(
  engine: StorageEngine,
  written: WrittenRecords,
  seed: { low: number; high: number } = { low: 0, high: 0 },
  watermarkOf: (slot: number) => number = () => 0,
): Promise<void> {
  const bySlot = expectedBySlot(written, seed);
  let empty = 0;
  while (bySlot.has(empty)) empty++;
  const slots = [...bySlot.keys(), empty];
  for (const minFrom of [1, 2, 3]) {
    const digests = await engine.slotDigests(
      Uint16Array.from(slots),
      new Uint8Array(slots.length).fill(minFrom),
    );
    for (const [at, slot] of slots.entries()) {
      const sums = new Uint32Array(2);
      for (const { high, low, record } of bySlot.get(slot) ?? []) {
        const mayGo = isTombstone(record, 0) || recordExpiryMs(record, 0) > 0;
        if (recordFrom(record, 0) < minFrom || (mayGo && recordTimestamp(record, 0) <= watermarkOf(slot)))
          continue;
        addFold(sums, 0, high, low, recordTimestamp(record, 0), recordWriter(record, 0));
      }
      assert.deepEqual([...digests.subarray(at * 2, at * 2 + 2)], [...sums], `slot ${slot}, from ${minFrom}`);
    }
  }
  for (const slot of slots) {
    const expected = bySlot.get(slot) ?? [];
    const found = await engine.slotVersions(slot);
    assert.equal(found.count, expected.length);
    for (const [at, { high, low, record }] of expected.entries()) {
      const { fingerprintHighs, fingerprintLows, timestamps, writers, froms, flags } = found;
      assert.deepEqual([fingerprintHighs[at], fingerprintLows[at]], [high, low]);
      assert.deepEqual(
        [timestamps[at], writers[at], froms[at], flags[at]],
        [recordTimestamp(record, 0), recordWriter(record, 0), recordFrom(record, 0), recordFlags(record, 0)],
      );
    }
    const fingerprints = Uint32Array.from(expected.flatMap(({ high, low }) => [high, low]));
    const records = await engine.slotRecords(slot, fingerprints, Number.MAX_SAFE_INTEGER);
    const pairs = records.map(({ key, record }) => [
      Buffer.from(key).toString('latin1'),
      Buffer.from(record),
    ]);
    const byKey = (a: readonly unknown[], b: readonly unknown[]): number =>
      String(a[0]) < String(b[0]) ? -1 : 1;
    assert.deepEqual(
      pairs.sort(byKey),
      expected.map(({ key, record }) => [key, Buffer.from(record)]).sort(byKey),
    );
    if (expected.length === 0) continue;
    const least = await engine.slotRecords(slot, fingerprints, 1);
    assert.equal(least.length, 1, 'one record fits however little is asked for');
  }
}

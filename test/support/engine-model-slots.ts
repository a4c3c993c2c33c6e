/** Compares what an engine says of its slots with what the model of its entries says of them. */
import assert from 'node:assert/strict';
import { RecordFlag } from '../../native-free-lsm/format/record.ts';
import { addFold, Fingerprinter, type RecordStore } from '../../native-free-lsm/index.ts';
import type { EngineModel, Version } from './engine-model.ts';

/** The largest `from` of a record; digests are compared for each up to it. */
export const MAX_FROM = 3;
/** The seed of an engine that is given none. */
const SEED = { low: 0, high: 0 };

interface SlotEntry {
  readonly key: string;
  readonly high: number;
  readonly low: number;
  readonly version: Version;
}

/** What of the model's entries belongs to replicas, by slot. */
function entriesBySlot(model: EngineModel): Map<number, SlotEntry[]> {
  const fingerprinter = new Fingerprinter(SEED);
  const bySlot = new Map<number, SlotEntry[]>();
  for (const [key, version] of model.entries) {
    if (version.from === 0) continue;
    fingerprinter.take(Buffer.from(key, 'latin1'), 0, key.length);
    const { high, low } = fingerprinter;
    const slot = high >>> 16;
    bySlot.set(slot, [...(bySlot.get(slot) ?? []), { key, high, low, version }]);
  }
  for (const entries of bySlot.values()) entries.sort((a, b) => a.high - b.high || a.low - b.low);
  return bySlot;
}

function mayGo({ expiryMs, value }: Version): boolean {
  return value === null || expiryMs > 0;
}

/** Whether two words are the fold of some of the entries and of all that is in `sums`. */
function isFoldOfSome(words: Uint32Array, sums: Uint32Array, [first, ...others]: SlotEntry[]): boolean {
  if (first === undefined) return words[0] === sums[0] && words[1] === sums[1];
  const withFirst = sums.slice();
  const { high, low, version } = first;
  addFold(withFirst, 0, high, low, version.timestamp, version.writer);
  return isFoldOfSome(words, sums, others) || isFoldOfSome(words, withFirst, others);
}

/** Has digests found out, which the engine keeps, while other operations go on. */
export function lookAtSlots(store: RecordStore, slots: Uint16Array): void {
  for (let minFrom = 1; minFrom <= MAX_FROM; minFrom++)
    store.slotDigests(slots, new Uint8Array(slots.length).fill(minFrom)).catch((error: { code?: string }) => {
      // It was closed before it could answer.
      if (error.code !== 'CLOSED') throw error;
    });
}

/** @throws AssertionError when digests, versions or records of a slot are not what the model has */
export async function checkSlots(
  store: RecordStore,
  model: EngineModel,
  slots: Uint16Array,
  watermarkOf: (slot: number) => number,
  nowMs: number,
): Promise<void> {
  const bySlot = entriesBySlot(model);
  const checkDigests = async (minFrom: number): Promise<void> => {
    const digests = await store.slotDigests(slots, new Uint8Array(slots.length).fill(minFrom));
    for (const [index, slot] of slots.entries()) {
      const expected = new Uint32Array(2);
      // What has expired and is settled may be there still, or gone.
      const open: SlotEntry[] = [];
      for (const entry of bySlot.get(slot) ?? []) {
        const { high, key, low, version } = entry;
        const { from, timestamp, value, writer } = version;
        const isSettled = timestamp <= watermarkOf(slot);
        if (from < minFrom || (isSettled && value === null)) continue;
        if (isSettled && model.isGone(key, nowMs)) open.push(entry);
        else addFold(expected, 0, high, low, timestamp, writer);
      }
      const digest = digests.subarray(index * 2, index * 2 + 2);
      const what = `the digest of slot ${slot}, of what asked for ${minFrom} replicas or more, is ${digest}, not ${expected}`;
      assert.ok(isFoldOfSome(digest, expected, open), what);
    }
  };
  const checkSlot = async (slot: number): Promise<void> => {
    const entries = bySlot.get(slot) ?? [];
    const wanted = Uint32Array.from(entries.flatMap(({ high, low }) => [high, low]));
    const [versions, records] = await Promise.all([
      store.slotVersions(slot),
      store.slotRecords(slot, wanted, Number.MAX_SAFE_INTEGER),
    ]);
    let at = 0;
    for (const { key, high, low, version } of entries) {
      const isListed = versions.fingerprintHighs[at] === high && versions.fingerprintLows[at] === low;
      if (!isListed) {
        assert.ok(model.mayForget(key, nowMs), `slot ${slot} does not list ${key}`);
        continue;
      }
      const listed = [versions.timestamps[at], versions.writers[at], versions.froms[at]];
      assert.deepEqual(listed, [version.timestamp, version.writer, version.from], `the version of ${key}`);
      const flags = version.value === null ? RecordFlag.tombstone : RecordFlag.hasExpiry;
      // What has expired may be a deletion by now.
      const isBuried = versions.flags[at] === RecordFlag.tombstone && model.isGone(key, nowMs);
      assert.ok(isBuried || versions.flags[at] === (mayGo(version) ? flags : 0), `the flags of ${key}`);
      at++;
    }
    assert.equal(versions.count, at, `slot ${slot} lists no other keys`);
    const found = new Map(records.map(({ key, record }) => [Buffer.from(key).toString('latin1'), record]));
    assert.equal(found.size, at, `slot ${slot} has a record for each key that it lists`);
    for (const [key, record] of found) model.checkRecord(key, record, nowMs);
  };
  // By themselves: a job that reads the rows of a slot for its versions makes its digests anew.
  await Promise.all(Array.from({ length: MAX_FROM }, (_, index) => checkDigests(index + 1)));
  await Promise.all(Array.from(slots, checkSlot));
}

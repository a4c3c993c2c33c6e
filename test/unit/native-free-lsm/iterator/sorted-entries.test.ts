import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SortedEntries } from '../../../../native-free-lsm/iterator/sorted-entries.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { record } from '../../../support/engine-calls.ts';
import { entriesOf, packRuns } from '../../../support/packed-runs.ts';

interface Written {
  readonly key: Buffer;
  readonly record: Uint8Array;
}

function walk(written: readonly Written[]): { keys: string[]; records: Buffer[] } {
  const sorted = new SortedEntries(new Uint8Array(packRuns(written.map((entry) => [entry])).entries));
  const keys: string[] = [];
  const records: Buffer[] = [];
  for (sorted.seekToFirst(); sorted.valid; sorted.next()) {
    keys.push(Buffer.from(sorted.keyBytes.subarray(sorted.keyStart, sorted.keyEnd)).toString('hex'));
    records.push(Buffer.from(sorted.recordBytes.subarray(sorted.recordStart, sorted.recordEnd)));
  }
  return { keys, records };
}

test('entries in any order come in that of their keys, each once in its newest version', () => {
  const random = seededRandom(7);
  for (let round = 0; round < 40; round++) {
    const newest = new Map<string, { timestamp: number; record: Uint8Array }>();
    const written: Written[] = [];
    for (let i = 0; i < round * 3; i++) {
      // Keys of few bytes: many are alike, begin alike, or are the beginning of another, also by zeros.
      const key = Buffer.from(
        Array.from({ length: Math.floor(random() * 9) }, () => Math.floor(random() * 2)),
      );
      const timestamp = 1 + Math.floor(random() * 5);
      const entry = { key, record: record(timestamp, `${i}`) };
      written.push(entry);
      const before = newest.get(key.toString('hex'));
      if (before === undefined || before.timestamp <= timestamp)
        newest.set(key.toString('hex'), { timestamp, record: entry.record });
    }
    const expected = [...newest].toSorted(([a], [b]) =>
      Buffer.compare(Buffer.from(a, 'hex'), Buffer.from(b, 'hex')),
    );
    const { keys, records } = walk(written);
    assert.deepEqual(
      keys,
      expected.map(([key]) => key),
    );
    assert.deepEqual(
      records,
      expected.map(([, { record }]) => Buffer.from(record)),
    );
  }
});

test('entries that are in order are walked as they lie, and sought', () => {
  const written = ['a', 'ab', 'b', 'c'].map((key, i) => ({
    key: Buffer.from(key),
    record: record(i + 1, key),
  }));
  const { entries } = packRuns([written]);
  assert.equal(entriesOf(new Uint8Array(entries)).length, 4);
  const sorted = new SortedEntries(new Uint8Array(entries));
  sorted.seek(Buffer.from('aa'), 0, 2);
  assert.equal(sorted.keyEnd - sorted.keyStart, 2);
  sorted.seek(Buffer.from('d'), 0, 1);
  assert.equal(sorted.valid, false);
});

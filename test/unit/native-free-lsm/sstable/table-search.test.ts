import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  firstTableEndingAtOrAbove,
  lastTableStartingBelow,
} from '../../../../native-free-lsm/sstable/table-search.ts';

test('where a key lies in a level is found from both ends, also between tables and beyond them', () => {
  const spans = [
    ['b', 'd'],
    ['e', 'e'],
    ['h', 'k'],
  ].map((keys) => keys.map((key) => Buffer.from(key)));
  const levels = [0, 1, 2, 3].map((count) =>
    spans.slice(0, count).map(([smallestKey, largestKey]) => ({ metadata: { smallestKey, largestKey } })),
  );
  for (const tables of levels) {
    for (const letter of 'abcdefghijkl') {
      // Behind another byte, which is not part of the key.
      const bytes = Buffer.from(`~${letter}`);
      const key = bytes.subarray(1);
      const ends = tables.map(({ metadata }) => Buffer.compare(metadata.largestKey, key) >= 0);
      const starts = tables.map(({ metadata }) => Buffer.compare(metadata.smallestKey, key) < 0);
      const first = ends.includes(true) ? ends.indexOf(true) : tables.length;
      assert.equal(firstTableEndingAtOrAbove(tables, bytes, 1, 2), first, `${letter} in ${tables.length}`);
      assert.equal(lastTableStartingBelow(tables, bytes, 1, 2), starts.lastIndexOf(true), letter);
    }
  }
});

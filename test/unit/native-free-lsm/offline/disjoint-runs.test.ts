import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { disjointRows, overlapGroups } from '../../../../native-free-lsm/offline/disjoint-runs.ts';
import { compareKeys } from '../../../../native-free-lsm/version/version.ts';

interface Range {
  readonly smallestKey: Uint8Array;
  readonly largestKey: Uint8Array;
}

const ranges = fc.array(
  fc.tuple(fc.nat(30), fc.nat(8)).map(([start, length]) => ({
    smallestKey: Uint8Array.of(start),
    largestKey: Uint8Array.of(start + length),
  })),
  { maxLength: 12 },
);

function meet(a: Range, b: Range): boolean {
  return compareKeys(a.smallestKey, b.largestKey) <= 0 && compareKeys(b.smallestKey, a.largestKey) <= 0;
}

test('tables that overlap, also through others, are in one group and no other', () => {
  fc.assert(
    fc.property(ranges, (tables) => {
      const groups = overlapGroups(tables);
      assert.equal(groups.flat().length, tables.length);
      for (const [i, group] of groups.entries()) {
        for (const other of groups.slice(i + 1)) {
          assert.ok(!group.some((a) => other.some((b) => meet(a, b))));
        }
        // In order of their first keys each meets one before it, or it would begin a group.
        for (const [j, table] of group.entries()) {
          assert.ok(j === 0 || group.slice(0, j).some((before) => meet(before, table)));
        }
      }
    }),
  );
});

test('rows are disjoint and in order, and there are no more of them than tables that share one key', () => {
  fc.assert(
    fc.property(ranges, (tables) => {
      const rows = disjointRows(tables);
      assert.equal(rows.flat().length, tables.length);
      for (const row of rows) {
        for (const [i, table] of row.entries()) {
          assert.ok(i === 0 || compareKeys(row[i - 1].largestKey, table.smallestKey) < 0);
        }
      }
      const deepest = Math.max(
        0,
        ...tables.map(
          ({ smallestKey }) => tables.filter((t) => meet(t, { smallestKey, largestKey: smallestKey })).length,
        ),
      );
      assert.equal(rows.length, deepest);
    }),
  );
});

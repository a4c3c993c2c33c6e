import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CoverWindow } from '../../../../native-free-lsm/range-tombstones/cover-window.ts';
import { RangeFragments } from '../../../../native-free-lsm/range-tombstones/fragments.ts';
import { RangedTables } from '../../../../native-free-lsm/sstable/ranged-tables.ts';
import type { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';

const KEYS = 24;

interface Piece {
  readonly at: number;
  readonly length: number;
  readonly timestamp: number;
}

/** A table from key `from` to before key `to`, with range tombstones among them. */
function tableOf(from: number, to: number, pieces: readonly Piece[]): TableReader {
  const ranges = new RangeFragments();
  for (const { at, length, timestamp } of pieces) {
    const start = from + (at % (to - from));
    ranges.add(Uint8Array.of(start), Uint8Array.of(Math.min(to, start + length)), timestamp);
  }
  const metadata = { smallestKey: Uint8Array.of(from), largestKey: Uint8Array.of(to - 1) };
  return { metadata, ranges } as unknown as TableReader;
}

const piece = fc.record({
  at: fc.nat(KEYS),
  length: fc.integer({ min: 1, max: 4 }),
  timestamp: fc.integer({ min: 1, max: 5 }),
});
const pieces = fc.array(piece, { maxLength: 2 });
/** Disjoint tables of some width, a key apart or not. */
const level = fc.array(fc.record({ width: fc.integer({ min: 1, max: 5 }), gap: fc.nat(2), pieces }), {
  maxLength: 6,
});
const overlapping = fc.array(
  fc.record({ from: fc.nat(KEYS - 2), width: fc.integer({ min: 1, max: 9 }), pieces }),
  { maxLength: 3 },
);

test('tables hide and their windows say what all of their range tombstones say together', () => {
  fc.assert(
    fc.property(overlapping, fc.array(level, { maxLength: 3 }), overlapping, (level0, lower, aside) => {
      const alone = (tables: typeof level0) =>
        tables.map(({ from, pieces, width }) => tableOf(from, Math.min(KEYS, from + width), pieces));
      const levels = [
        alone(level0),
        ...lower.map((tables) => {
          let next = 0;
          const readers: TableReader[] = [];
          for (const { gap, pieces, width } of tables) {
            const from = next + gap;
            if (from >= KEYS) break;
            next = Math.min(KEYS, from + width);
            readers.push(tableOf(from, next, pieces));
          }
          return readers;
        }),
      ];
      const quarantine = alone(aside);
      const all = RangeFragments.merged([...levels.flat(), ...quarantine].map(({ ranges }) => ranges));
      const ranged = RangedTables.among(levels, quarantine);
      assert.equal(ranged === null, all.count === 0);
      if (ranged === null) return;
      for (let at = 0; at < KEYS; at++) {
        const key = Uint8Array.of(at);
        assert.equal(ranged.coverOf(key, 0, 1), all.coverOf(key, 0, 1));
        const window = new CoverWindow();
        window.open();
        ranged.narrow(window, key, 0, 1);
        assert.ok(window.has(key, 0, 1));
        for (let other = 0; other < KEYS; other++) {
          const inWindow = Uint8Array.of(other);
          if (window.has(inWindow, 0, 1)) assert.equal(window.timestamp, all.coverOf(inWindow, 0, 1));
        }
      }
    }),
    { numRuns: 300 },
  );
});

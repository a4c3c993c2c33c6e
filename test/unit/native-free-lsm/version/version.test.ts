import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { QUARANTINE, Version, type VersionEdit } from '../../../../native-free-lsm/version/version.ts';
import { ids, table } from './version-support.ts';

const add = (...added: TableMetadata[]): VersionEdit => ({ added, removed: [] });

test('level 0 is ordered newest first, the others by key', () => {
  const version = Version.empty()
    .apply(add(table(3, 0, 'a', 'z'), table(9, 0, 'b', 'c'), table(4, 0, 'x', 'y')))
    .apply(add(table(7, 1, 'k', 'm'), table(5, 1, 'n', 'o'), table(6, 1, 'a', 'b')));
  assert.deepEqual(version.levels.map(ids), [[9, 4, 3], [6, 7, 5], [], [], [], [], []]);
  assert.equal(version.tableCount, 6);
  assert.equal(version.fileSizeBytes, 600);
  assert.equal(version.levelBytes(1), 300);
  assert.equal(version.entries, 60);
  assert.equal(version.tombstones, 6);
  assert.equal(version.rawSizeBytes, 540);
  assert.equal(version.largestTimestamp, 14);
  assert.equal(Version.empty().largestTimestamp, 0);
});

test('a table moves down within one edit; the older version stays as it was', () => {
  const before = Version.empty().apply(add(table(1, 0, 'a', 'b')));
  const after = before.apply({ added: [table(1, 1, 'a', 'b')], removed: [1] });
  assert.deepEqual(before.levels.map(ids).slice(0, 2), [[1], []]);
  assert.deepEqual(after.levels.map(ids).slice(0, 2), [[], [1]]);
});

test('edits that do not fit are refused', () => {
  const version = Version.empty().apply(add(table(1, 0, 'a', 'b'), table(2, 1, 'c', 'f')));
  const edits: VersionEdit[] = [
    add(table(1, 0, 'x', 'y')),
    add(table(2, 3, 'x', 'y')),
    add(table(3, 0, 'x', 'y'), table(3, 1, 'x', 'y')),
    add(table(3, 1, 'f', 'g')),
    add(table(3, 1, 'a', 'z')),
    add(table(3, 2, 'a', 'b'), table(4, 2, 'b', 'c')),
    add(table(3, 1, 'y', 'x')),
    add(table(3, QUARANTINE + 1, 'x', 'y')),
    add(table(3, -1, 'x', 'y')),
    add(table(3, 0.5, 'x', 'y')),
    { added: [], removed: [5] },
    { added: [], removed: [1, 1] },
  ];
  for (const edit of edits) assert.throws(() => version.apply(edit), { code: 'CORRUPTION' });
});

const letters = 'abcdefghijklmnop';
const arbitraryKey = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 2 });
const arbitraryStep = fc.record({
  level: fc.nat(2),
  keys: fc.tuple(arbitraryKey, arbitraryKey),
  remove: fc.array(fc.nat(40), { maxLength: 2 }),
});

test('random edits and questions against a list', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryStep, { maxLength: 40 }),
      fc.array(fc.tuple(arbitraryKey, arbitraryKey), { minLength: 1, maxLength: 8 }),
      (steps, ranges) => {
        let version = Version.empty();
        let model: { id: number; level: number; from: string; to: string }[] = [];
        steps.forEach(({ level, keys, remove }, id) => {
          const [from, to] = keys.toSorted() as [string, string];
          const removed = [...new Set(remove)];
          const left = model.filter((one) => !removed.includes(one.id));
          const clash =
            level > 0 && left.some((one) => one.level === level && one.from <= to && from <= one.to);
          const edit = { added: [table(id, level, from, to)], removed };
          if (clash || removed.some((id) => !model.some((one) => one.id === id))) {
            assert.throws(() => version.apply(edit), { code: 'CORRUPTION' });
          } else {
            version = version.apply(edit);
            model = [...left, { id, level, from, to }];
          }
        });
        for (let level = 0; level < 3; level++) {
          const tables = model.filter((one) => one.level === level);
          tables.sort((a, b) => (level === 0 ? b.id - a.id : a.from < b.from ? -1 : 1));
          assert.deepEqual(
            ids(version.levels[level]),
            tables.map(({ id }) => id),
          );
          for (const range of ranges) {
            const [from, to] = range.toSorted() as [string, string];
            const found = version.overlapping(level, Buffer.from(from), Buffer.from(to));
            assert.deepEqual(
              ids(found),
              tables.filter((one) => one.from <= to && from <= one.to).map(({ id }) => id),
            );
            if (level === 0) continue;
            const key = Buffer.from(`?${from}?`);
            const holder = tables.find((one) => one.from <= from && from <= one.to);
            assert.equal(version.tableFor(level, key, 1, key.length - 1)?.id, holder?.id);
          }
        }
        assert.deepEqual(Version.empty().apply(version.toEdit()).levels, version.levels);
      },
    ),
  );
});

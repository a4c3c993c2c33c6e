import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compactionDebtBytes,
  levelScore,
  levelTargets,
  type PickerOptions,
  pickCompaction,
  pickPurge,
} from '../../../../native-free-lsm/compaction/picker.ts';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { Version } from '../../../../native-free-lsm/version/version.ts';
import { ids, table as tableOfSupport } from '../version/version-support.ts';

const OPTIONS: PickerOptions = {
  l0Trigger: 4,
  baseLevelBytes: 1000,
  levelMultiplier: 10,
  maxTaskBytes: 2000,
};
const IDLE: ReadonlySet<number> = new Set();

/** Without deletions, unless it is said. */
function table(
  id: number,
  level: number,
  smallest: string,
  largest: string,
  more: Partial<TableMetadata> = {},
): TableMetadata {
  return tableOfSupport(id, level, smallest, largest, { tombstones: 0, ...more });
}

function version(...tables: TableMetadata[]): Version {
  return Version.empty().apply({ added: tables, removed: [] });
}

/** `inputs+overlapping flags`, with m for a trivial move and b for the bottommost. */
function picked(from: Version, busy = IDLE, options: Partial<PickerOptions> = {}): string | null {
  const task = pickCompaction(from, busy, { ...OPTIONS, ...options });
  if (task === null) return null;
  const flags = `${task.trivialMove ? 'm' : ''}${task.bottommost ? 'b' : ''}`;
  return `${task.inputLevel}→${task.outputLevel}: ${ids(task.inputs)}+${ids(task.overlapping)} ${flags}`;
}

const bytes = (fileSizeBytes: number) => ({ fileSizeBytes });

/** So large that level 5 is the base level, which may have 900 bytes then. */
const LAST = table(99, 6, '0', '1', bytes(9_000));

test('nothing to do', () => {
  assert.equal(picked(Version.empty()), null);
  assert.equal(picked(version(table(1, 0, 'a', 'z'), table(2, 5, 'a', 'z', bytes(899)), LAST)), null);
  assert.equal(picked(version(table(1, 6, 'a', 'z', bytes(1e15)))), null);
});

test('levels are sized from the last one upward, down to one that takes level 0', () => {
  const targets = (...tables: TableMetadata[]) => [...levelTargets(version(...tables), OPTIONS)];
  const none = Number.POSITIVE_INFINITY;
  assert.deepEqual(targets(), [0, 0, 0, 0, 0, 0, none]);
  assert.deepEqual(targets(table(1, 6, 'a', 'z', bytes(1000))), [0, 0, 0, 0, 0, 0, none]);
  assert.deepEqual(targets(table(1, 6, 'a', 'z', bytes(1001))), [0, 0, 0, 0, 0, 100.1, none]);
  assert.deepEqual(targets(table(1, 6, 'a', 'z', bytes(9_000))), [0, 0, 0, 0, 0, 900, none]);
  // 120 bytes of base level would be too few.
  assert.deepEqual(targets(table(1, 6, 'a', 'z', bytes(12_000))), [0, 0, 0, 0, 120, 1200, none]);
  assert.deepEqual(targets(table(1, 6, 'a', 'z', bytes(10_001))), [0, 0, 0, 0, 100.01, 1000.1, none]);
  assert.deepEqual(targets(table(1, 6, 'a', 'z', bytes(1e7))), [0, 0, 1e3, 1e4, 1e5, 1e6, none]);
  assert.deepEqual(targets(table(1, 6, 'a', 'z', bytes(1e15))), [0, 1e10, 1e11, 1e12, 1e13, 1e14, none]);
  // The largest level counts, wherever it is: a database on its way down has the shape it will have.
  assert.deepEqual(targets(table(1, 2, 'a', 'z', bytes(9_000))), [0, 0, 0, 0, 0, 900, none]);
  const everything = { ...OPTIONS, baseLevelBytes: none };
  assert.deepEqual([...levelTargets(version(LAST), everything)], [0, 0, 0, 0, 0, 0, none]);
});

test('a level is as full as what its deletions will free in the last one makes it', () => {
  // Of 100 bytes each.
  const last = table(99, 6, 'a', 'z', { fileSizeBytes: 9_000, entries: 90 });
  const deletions = (id: number, level: number, tombstones: number): TableMetadata =>
    table(id, level, 'a', 'z', { fileSizeBytes: 20, entries: tombstones, tombstones });
  assert.equal(picked(version(deletions(1, 5, 8), last)), null);
  assert.equal(levelScore(version(deletions(1, 5, 8), last), 5, OPTIONS), 820 / 900);
  assert.equal(picked(version(deletions(1, 5, 9), last)), '5→6: 1+99 b');
  assert.equal(picked(version(deletions(1, 0, 8), last)), null);
  assert.equal(picked(version(deletions(1, 0, 9), last)), '0→5: 1+ m');
  // Where there is no level between, half of the last one is worth rewriting it.
  const small = table(99, 6, 'a', 'z', { fileSizeBytes: 900, entries: 10 });
  assert.equal(picked(version(deletions(1, 0, 4), small)), null);
  assert.equal(picked(version(deletions(1, 0, 5), small)), '0→6: 1+99 b');
  // Deletions that are kept there are nothing that can be deleted once more.
  assert.equal(picked(version(deletions(1, 0, 10), { ...small, tombstones: 10 })), null);
  // In the last level they free nothing more, and without one there is nothing to free.
  assert.equal(picked(version({ ...last, tombstones: 90 })), null);
  assert.equal(picked(version(deletions(1, 0, 1000))), null);
});

test('level 0 goes to the base level, past the empty ones, but never past a table', () => {
  const wide = [1, 2, 3, 4].map((id) => table(id, 0, 'a', 'z'));
  assert.equal(picked(version(...wide)), '0→6: 4,3,2,1+ b');
  assert.equal(picked(version(...wide, LAST)), '0→5: 4,3,2,1+ b');
  const fromAbove = table(9, 3, 'a', 'z', bytes(10));
  assert.equal(picked(version(...wide, fromAbove, LAST)), '3→4: 9+ mb');
  assert.equal(picked(version(...wide, fromAbove, LAST), new Set([9])), null);
  const other = table(10, 3, 'zz', 'zz', bytes(10));
  assert.equal(picked(version(...wide, other, LAST), new Set([10])), '0→3: 4,3,2,1+ b');
});

test('level 0: all tables that overlap, newest first, with what they meet below', () => {
  const tables = [table(1, 0, 'c', 'f'), table(2, 0, 'a', 'd'), table(3, 0, 'e', 'k'), table(4, 0, 'x', 'z')];
  const below = [table(11, 5, 'a', 'b'), table(12, 5, 'k', 'm'), table(13, 5, 'n', 'o')];
  assert.equal(picked(version(...tables, ...below, LAST)), '0→5: 3,2,1+11,12 b');
  assert.equal(picked(version(...tables, ...below, LAST, table(20, 6, 'l', 'l'))), '0→5: 3,2,1+11,12 ');
  assert.equal(picked(version(...tables, ...below, LAST, table(20, 6, 'mm', 'z'))), '0→5: 3,2,1+11,12 b');
});

test('level 0 without overlaps moves table by table, oldest first', () => {
  const tables = ['a', 'b', 'c', 'd'].map((key, i) => table(i + 1, 0, key, key));
  assert.equal(picked(version(...tables)), '0→6: 1+ mb');
  assert.equal(picked(version(...tables, table(9, 6, 'a', 'a'))), '0→6: 1+9 b');
  assert.equal(picked(version(...tables, table(9, 6, 'a', 'a')), new Set([9])), '0→6: 2+ mb');
});

test('level 0: a newer table may wait, but never without those above it', () => {
  const wide = [1, 2, 3, 4].map((id) => table(id, 0, 'a', 'z', bytes(800)));
  assert.equal(picked(version(...wide)), '0→6: 2,1+ b');
  assert.equal(picked(version(...wide), IDLE, { maxTaskBytes: 1 }), '0→6: 1+ mb');
  // 3 would fit, but it is newer than 2, which does not, and meets it.
  const mixed = [
    table(1, 0, 'a', 'm', bytes(100)),
    table(2, 0, 'a', 'm', bytes(5000)),
    table(3, 0, 'a', 'm', bytes(100)),
    table(4, 0, 'x', 'z'),
  ];
  assert.equal(picked(version(...mixed)), '0→6: 1+ mb');
});

test('level 0: an older table that only a later one overlaps comes along', () => {
  const tables = [table(1, 0, 'a', 'c'), table(2, 0, 'm', 'n'), table(3, 0, 'p', 'q'), table(4, 0, 'b', 'm')];
  assert.equal(picked(version(...tables)), '0→6: 4,2,1+ b');
});

test('level 0 runs one task at a time; where its target is busy another group may go', () => {
  const tables = ['a', 'b', 'c', 'd', 'a'].map((key, i) => table(i + 1, 0, key, key));
  assert.equal(picked(version(...tables), new Set([3])), null);
  const full = version(...tables, table(9, 6, 'a', 'b'), table(10, 6, 'c', 'd'));
  assert.equal(picked(full, new Set([9])), '0→6: 3+10 b');
  assert.equal(picked(full, new Set([9, 10])), null);
});

test('below level 0: the table that brings the fewest bytes along, if its task is not too large', () => {
  const level5 = [
    table(1, 5, 'a', 'b', bytes(400)),
    table(2, 5, 'c', 'd', bytes(400)),
    table(3, 5, 'e', 'f', bytes(400)),
  ];
  const level6 = [
    table(4, 6, 'a', 'b', bytes(900)),
    table(5, 6, 'c', 'd', bytes(700)),
    table(6, 6, 'e', 'f', bytes(800)),
  ];
  const full = version(...level5, ...level6);
  assert.equal(picked(full), '5→6: 2+5 b');
  assert.equal(picked(full, new Set([2])), '5→6: 3+6 b');
  assert.equal(picked(full, new Set([5, 6])), '5→6: 1+4 b');
  assert.equal(picked(full, new Set([4, 5, 6])), null);
  assert.equal(picked(full, IDLE, { maxTaskBytes: 1 }), '5→6: 2+5 b');
  const ratioAgainstSize = version(
    table(1, 5, 'a', 'b', bytes(5000)),
    table(2, 5, 'c', 'd', bytes(400)),
    table(4, 6, 'a', 'b', bytes(5000)),
    table(5, 6, 'c', 'd', bytes(700)),
  );
  assert.equal(picked(ratioAgainstSize), '5→6: 2+5 b');
  assert.equal(picked(ratioAgainstSize, IDLE, { maxTaskBytes: 10_000 }), '5→6: 1+4 b');
});

test('the fullest level goes first, the next one when it cannot', () => {
  const full = version(
    ...[1, 2, 3, 4].map((id) => table(id, 0, 'a', 'b')),
    table(5, 4, 'c', 'd', bytes(300)),
    table(6, 5, 'a', 'z', bytes(4_000)),
    table(7, 6, 'a', 'z', bytes(20_000)),
  );
  assert.deepEqual(
    [0, 1, 4, 5, 6].map((level) => levelScore(full, level, OPTIONS)),
    [1, 0, 1.5, 2, 0],
  );
  assert.equal(picked(full), '5→6: 6+7 b');
  assert.equal(picked(full, new Set([7])), '4→5: 5+6 ');
  assert.equal(picked(full, new Set([6])), '0→4: 4,3,2,1+ ');
  assert.equal(picked(full, new Set([6, 2])), null);
});

test('tables above the base level of a database that has shrunk go down, however little they hold', () => {
  const shrunk = version(table(1, 2, 'a', 'b', bytes(1)), table(2, 3, 'a', 'a', bytes(1)), LAST);
  assert.equal(levelScore(shrunk, 2, OPTIONS), Number.MAX_VALUE);
  assert.equal(picked(shrunk), '2→3: 1+2 b');
  assert.equal(picked(shrunk, new Set([1])), '3→4: 2+ mb');
});

test('the debt is what must go down, level by level', () => {
  assert.equal(compactionDebtBytes(Version.empty(), OPTIONS), 0);
  const little = version(table(1, 0, 'a', 'b'), table(2, 5, 'a', 'b', bytes(899)), LAST);
  assert.equal(compactionDebtBytes(little, OPTIONS), 0);
  const full = version(
    ...[1, 2, 3, 4].map((id) => table(id, 0, 'a', 'b', bytes(200))),
    table(5, 4, 'c', 'd', bytes(100)),
    table(6, 5, 'a', 'z', bytes(1_950)),
    table(7, 6, 'a', 'z', bytes(20_000)),
  );
  assert.equal(compactionDebtBytes(full, OPTIONS), 800 + 700 + 650);
  // Everything above the base level has to go, through each level there is on the way.
  const above = version(table(1, 3, 'a', 'b', bytes(50)), LAST);
  assert.equal(compactionDebtBytes(above, OPTIONS), 100);
});

test('tables that are held are in no task, and unlike busy ones keep no others of level 0 from theirs', () => {
  const full = version(
    table(1, 0, 'a', 'c'),
    table(2, 0, 'a', 'c'),
    table(3, 0, 'm', 'p'),
    table(4, 0, 'm', 'p'),
    table(5, 6, 'm', 'n', bytes(100)),
  );
  const heldFor = (...held: number[]) => {
    const task = pickCompaction(full, IDLE, OPTIONS, new Set(held));
    return task === null ? null : ids([...task.inputs, ...task.overlapping]);
  };
  assert.deepEqual(heldFor(), [2, 1]);
  assert.deepEqual(heldFor(1), [4, 3, 5]);
  assert.deepEqual(heldFor(2), [4, 3, 5]);
  assert.deepEqual(heldFor(1, 5), null);
  assert.equal(picked(full, new Set([1])), null);
});

/** As `picked`, of the tables with these ids that are worth purging. */
function purged(from: Version, purgeable: readonly number[], busy = IDLE): string | null {
  const task = pickPurge(from, busy, OPTIONS, ({ id }) => purgeable.includes(id));
  if (task === null) return null;
  const flags = `${task.trivialMove ? 'm' : ''}${task.bottommost ? 'b' : ''}`;
  return `${task.inputLevel}→${task.outputLevel}: ${ids(task.inputs)}+${ids(task.overlapping)} ${flags}`;
}

test('a purge rewrites a table of the last level, and brings others down to it', () => {
  const last = table(1, 6, 'a', 'f', bytes(500));
  const other = table(2, 6, 'g', 'm', bytes(500));
  assert.equal(purged(version(last, other), []), null);
  assert.equal(purged(version(last, other), [2]), '6→6: 2+ b');
  assert.equal(purged(version(last, other), [1, 2], new Set([1])), '6→6: 2+ b');
  const above = table(3, 5, 'c', 'h', bytes(100));
  assert.equal(purged(version(last, other, above), [3]), '5→6: 3+1,2 b');
  assert.equal(purged(version(last, other, above), [3], new Set([2])), null);
  const fresh = table(4, 0, 'x', 'z', bytes(100));
  assert.equal(purged(version(last, fresh), [4]), '0→6: 4+ mb');
});

test('nothing is rewritten for a purge where a table in quarantine may hold something older', () => {
  const last = table(1, 6, 'a', 'f', bytes(500));
  const other = table(2, 6, 'g', 'm', bytes(500));
  const damaged = table(3, 7, 'b', 'c', bytes(500));
  assert.equal(purged(version(last, other, damaged), [1]), null);
  assert.equal(purged(version(last, other, damaged), [1, 2]), '6→6: 2+ b');
});

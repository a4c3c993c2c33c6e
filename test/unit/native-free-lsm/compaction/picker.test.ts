import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compactionDebtBytes,
  levelScore,
  type PickerOptions,
  pickCompaction,
} from '../../../../native-free-lsm/compaction/picker.ts';
import type { TableMetadata } from '../../../../native-free-lsm/version/table-metadata.ts';
import { Version } from '../../../../native-free-lsm/version/version.ts';
import { ids, table } from '../version/version-support.ts';

const OPTIONS: PickerOptions = {
  l0Trigger: 4,
  baseLevelBytes: 1000,
  levelMultiplier: 10,
  maxTaskBytes: 2000,
};
const IDLE: ReadonlySet<number> = new Set();

function version(...tables: TableMetadata[]): Version {
  return Version.empty().apply({ added: tables, removed: [] });
}

/** `inputs+overlapping flags`, with m for a trivial move and b for the bottommost. */
function picked(from: Version, busy = IDLE, options: Partial<PickerOptions> = {}): string | null {
  const task = pickCompaction(from, busy, { ...OPTIONS, ...options });
  if (task === null) return null;
  assert.equal(task.outputLevel, task.inputLevel + 1);
  const flags = `${task.trivialMove ? 'm' : ''}${task.bottommost ? 'b' : ''}`;
  return `${task.inputLevel}: ${ids(task.inputs)}+${ids(task.overlapping)} ${flags}`;
}

const bytes = (fileSizeBytes: number) => ({ fileSizeBytes });

test('nothing to do', () => {
  assert.equal(picked(Version.empty()), null);
  assert.equal(picked(version(table(1, 0, 'a', 'z'), table(2, 1, 'a', 'z', bytes(999)))), null);
  assert.equal(picked(version(table(1, 6, 'a', 'z', bytes(1e15)))), null);
});

test('level 0: all tables that overlap, newest first, with what they meet below', () => {
  const tables = [table(1, 0, 'c', 'f'), table(2, 0, 'a', 'd'), table(3, 0, 'e', 'k'), table(4, 0, 'x', 'z')];
  const below = [table(11, 1, 'a', 'b'), table(12, 1, 'k', 'm'), table(13, 1, 'n', 'o')];
  assert.equal(picked(version(...tables, ...below)), '0: 3,2,1+11,12 b');
  assert.equal(picked(version(...tables, ...below, table(20, 5, 'l', 'l'))), '0: 3,2,1+11,12 ');
  assert.equal(picked(version(...tables, ...below, table(20, 5, 'mm', 'z'))), '0: 3,2,1+11,12 b');
});

test('level 0 without overlaps moves table by table, oldest first', () => {
  const tables = ['a', 'b', 'c', 'd'].map((key, i) => table(i + 1, 0, key, key));
  assert.equal(picked(version(...tables)), '0: 1+ mb');
  assert.equal(picked(version(...tables, table(9, 1, 'a', 'a'))), '0: 1+9 b');
  assert.equal(picked(version(...tables, table(9, 1, 'a', 'a')), new Set([9])), '0: 2+ mb');
});

test('level 0: a newer table may wait, but never without those above it', () => {
  const wide = [1, 2, 3, 4].map((id) => table(id, 0, 'a', 'z', bytes(800)));
  assert.equal(picked(version(...wide)), '0: 2,1+ b');
  assert.equal(picked(version(...wide), IDLE, { maxTaskBytes: 1 }), '0: 1+ mb');
  // 3 would fit, but it is newer than 2, which does not, and meets it.
  const mixed = [
    table(1, 0, 'a', 'm', bytes(100)),
    table(2, 0, 'a', 'm', bytes(5000)),
    table(3, 0, 'a', 'm', bytes(100)),
    table(4, 0, 'x', 'z'),
  ];
  assert.equal(picked(version(...mixed)), '0: 1+ mb');
});

test('level 0: an older table that a newer one drags in late comes along', () => {
  const tables = [table(1, 0, 'a', 'c'), table(2, 0, 'm', 'n'), table(3, 0, 'p', 'q'), table(4, 0, 'b', 'm')];
  assert.equal(picked(version(...tables)), '0: 4,2,1+ b');
});

test('level 0 runs one task at a time; where its target is busy another group may go', () => {
  const tables = ['a', 'b', 'c', 'd', 'a'].map((key, i) => table(i + 1, 0, key, key));
  assert.equal(picked(version(...tables), new Set([3])), null);
  const full = version(...tables, table(9, 1, 'a', 'b'), table(10, 1, 'c', 'd'));
  assert.equal(picked(full, new Set([9])), '0: 3+10 b');
  assert.equal(picked(full, new Set([9, 10])), null);
});

test('below: the table that drags the fewest bytes along, if its task is not too large', () => {
  const level1 = [
    table(1, 1, 'a', 'b', bytes(400)),
    table(2, 1, 'c', 'd', bytes(400)),
    table(3, 1, 'e', 'f', bytes(400)),
  ];
  const level2 = [
    table(4, 2, 'a', 'b', bytes(900)),
    table(5, 2, 'c', 'd', bytes(700)),
    table(6, 2, 'e', 'f', bytes(800)),
  ];
  const full = version(...level1, ...level2);
  assert.equal(picked(full), '1: 2+5 b');
  assert.equal(picked(full, new Set([2])), '1: 3+6 b');
  assert.equal(picked(full, new Set([5, 6])), '1: 1+4 b');
  assert.equal(picked(full, new Set([4, 5, 6])), null);
  assert.equal(picked(full, IDLE, { maxTaskBytes: 1 }), '1: 2+5 b');
  const ratioAgainstSize = version(
    table(1, 1, 'a', 'b', bytes(5000)),
    table(2, 1, 'c', 'd', bytes(400)),
    table(4, 2, 'a', 'b', bytes(5000)),
    table(5, 2, 'c', 'd', bytes(700)),
  );
  assert.equal(picked(ratioAgainstSize), '1: 2+5 b');
  assert.equal(picked(ratioAgainstSize, IDLE, { maxTaskBytes: 10_000 }), '1: 1+4 b');
});

test('the fullest level goes first, the next one when it cannot', () => {
  const full = version(
    ...[1, 2, 3, 4].map((id) => table(id, 0, 'a', 'b')),
    table(5, 1, 'c', 'd', bytes(1500)),
    table(6, 2, 'a', 'z', bytes(40_000)),
  );
  assert.deepEqual(
    [0, 1, 2, 6].map((level) => levelScore(full, level, OPTIONS)),
    [1, 1.5, 4, 0],
  );
  assert.equal(picked(full), '2: 6+ mb');
  assert.equal(picked(full, new Set([6])), '0: 4,3,2,1+ ');
  assert.equal(picked(full, new Set([6, 2])), null);
});

test('debt: what has to go down, level by level', () => {
  assert.equal(compactionDebtBytes(Version.empty(), OPTIONS), 0);
  assert.equal(
    compactionDebtBytes(version(table(1, 0, 'a', 'b'), table(2, 1, 'a', 'b', bytes(999))), OPTIONS),
    0,
  );
  const full = version(
    ...[1, 2, 3, 4].map((id) => table(id, 0, 'a', 'b', bytes(200))),
    table(5, 1, 'c', 'd', bytes(900)),
    table(6, 2, 'a', 'z', bytes(9_950)),
  );
  assert.equal(compactionDebtBytes(full, OPTIONS), 800 + 700 + 650);
});

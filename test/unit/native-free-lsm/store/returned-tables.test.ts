/** What an opening takes out of quarantine, and what it does not do for that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeOptions, type EngineOptions } from '../../../../native-free-lsm/options.ts';
import {
  type CallHook,
  fileSystemError,
  type MemoryFileSystem,
} from '../../../../native-free-lsm/simulation/index.ts';
import { loadTable } from '../../../../native-free-lsm/sstable/load-table.ts';
import type { TableHandle } from '../../../../native-free-lsm/sstable/table-handle.ts';
import { type TableMetadata, tableFileName } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';
import { type ReturnedTables, takeBackTables } from '../../../../native-free-lsm/store/returned-tables.ts';
import { QUARANTINE, Version } from '../../../../native-free-lsm/version/version.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';
import {
  DIRECTORY,
  drain,
  type Entry,
  emptyFileSystem,
  entryOf,
  printable,
  writeTable,
} from '../sstable/table-support.ts';

const FIRST_NEW_ID = 1000;

function keyOf(i: number): string {
  return `key${String(i).padStart(4, '0')}`;
}

/** Tables in quarantine, with the ids 1, 2 and so on, of one key each. */
function quarantined(fs: MemoryFileSystem, count: number): TableMetadata[] {
  return Array.from({ length: count }, (_, i) => ({
    ...writeTable(fs, [entryOf(keyOf(i))], {}, i + 1),
    level: QUARANTINE,
    damagedAt: 0,
  }));
}

function folderOf(added: readonly TableMetadata[]): Pick<ReturnedTables, 'version' | 'nextFileId'> {
  return { version: Version.empty().apply({ added, removed: [] }), nextFileId: FIRST_NEW_ID };
}

/** @param hookOf what is called at each call to the disk, once the tables are loaded */
function takeBack(
  fs: MemoryFileSystem,
  found: Pick<ReturnedTables, 'version' | 'nextFileId'>,
  more: Partial<EngineOptions> = {},
  hookOf: (reports: readonly string[]) => CallHook = () => () => undefined,
) {
  const handles = found.version.tables.map((metadata) => loadTable(fs, DIRECTORY, metadata));
  const reports: string[] = [];
  const report = (message: string): void => void reports.push(message);
  fs.onCall = hookOf(reports);
  const returned = takeBackTables(fs, DIRECTORY, completeOptions(more), HASH_SEED, found, handles, report);
  fs.onCall = undefined;
  assert.equal(fs.openDescriptors, 0);
  return { ...returned, reports };
}

function entriesOf(fs: MemoryFileSystem, handle: TableHandle): Entry[] {
  const fd = fs.openReadSync(handle.path);
  const records = new TableReader(handle).iterator(fs, fd, 4096);
  records.seekToFirst();
  const entries = drain(records);
  fs.closeSync(fd);
  return entries;
}

for (const [code, failing] of [
  ['ENOSPC', 'write'],
  ['ENOSPC', 'create'],
  ['EROFS', 'create'],
  ['EIO', 'write'],
  ['EMFILE', 'openRead'],
] as const) {
  test(`${code} at ${failing} ends it: no other table is tried, and what came back before stays`, () => {
    const fs = emptyFileSystem();
    const found = folderOf(quarantined(fs, 6));
    let failures = 0;
    const hookOf = (reports: readonly string[]): CallHook => {
      return ({ operation, path }) => {
        if (operation !== failing || reports.length < 2) return undefined;
        failures++;
        throw fileSystemError(code, operation, path);
      };
    };
    const returned = takeBack(fs, found, {}, hookOf);
    assert.equal(failures, 1);
    assert.equal(returned.version.quarantine.length, 4);
    assert.deepEqual([returned.tables.length, returned.version.levels[0].length], [2, 2]);
    assert.equal(returned.reports.length, 3, returned.reports.join('\n'));
    assert.match(returned.reports[2], /\. Tables that were set aside stay so until the next start$/);
    const again = takeBack(fs, returned);
    assert.equal(again.version.quarantine.length, 0);
  });
}

test('a table that is still damaged keeps none of the others', () => {
  const fs = emptyFileSystem();
  const found = folderOf(quarantined(fs, 6));
  const [damaged] = found.version.quarantine.map(({ id }) => id);
  const hookOf = (): CallHook => {
    return ({ operation, path }) => {
      if (operation !== 'read' || !path.endsWith(tableFileName(damaged))) return undefined;
      throw fileSystemError('EIO', operation, path);
    };
  };
  const returned = takeBack(fs, found, {}, hookOf);
  assert.deepEqual(
    returned.version.quarantine.map(({ id }) => id),
    [damaged],
  );
  assert.equal(returned.reports.length, 5);
});

test('only as many come back as keep level 0 below the number that slows writes down', () => {
  const fs = emptyFileSystem();
  // Of many tables' size when they are written anew.
  const keys = Array.from({ length: 200 }, (_, i) => entryOf(keyOf(i), Buffer.alloc(1000, 'v')));
  const large = { ...writeTable(fs, keys, {}, 50), level: QUARANTINE, damagedAt: 0 };
  const options = { l0CompactionTables: 2, l0SlowdownTables: 4, l0StopTables: 8, targetFileBytes: 64 * 1024 };
  let found = folderOf([...quarantined(fs, 7), large]);
  const lengths: number[] = [];
  while (found.version.quarantine.length > 0) {
    const returned = takeBack(fs, found, options);
    const level0 = returned.version.levels[0];
    assert.ok(level0.length < 4, `${level0.length} tables`);
    lengths.push(returned.version.quarantine.length);
    assert.ok(lengths.length < 9, `${lengths}`);
    // As compactions would have.
    const version = returned.version.apply({ added: [], removed: level0.map(({ id }) => id) });
    found = { ...returned, version };
    if (lengths.length === 1)
      assert.match(returned.reports.at(-1) as string, /level 0 is full: the next start/);
  }
  assert.ok(lengths.length > 2, `${lengths}`);
});

test('files that are opened for the lookups are closed again above what a thread may keep open', () => {
  const fs = emptyFileSystem();
  const count = 100;
  const mine = Array.from({ length: count }, (_, i) => entryOf(keyOf(i), 'mine', 5));
  // Each has something newer, so that none is passed over; of every other key it is that key.
  const added = mine.map((_, i) => {
    const other = entryOf(`${keyOf(i)}+`, 'other', 10);
    return {
      ...writeTable(fs, [entryOf(keyOf(i), 'theirs', i % 2 === 0 ? 10 : 1), other], {}, i + 2),
      level: 6,
    };
  });
  const quarantine = { ...writeTable(fs, mine, {}, 1), level: QUARANTINE, damagedAt: 0 };
  let most = 0;
  const hookOf = (): CallHook => () => {
    most = Math.max(most, fs.openDescriptors);
    return undefined;
  };
  const { tables } = takeBack(fs, folderOf([...added, quarantine]), { maxOpenFilesPerThread: 16 }, hookOf);
  // With the one that is looked into, the one walked through, and the one written.
  assert.ok(most >= 16 && most <= 16 + 3, `${most}`);
  assert.deepEqual(
    tables.flatMap((handle) => printable(entriesOf(fs, handle))),
    printable(mine.filter((_, i) => i % 2 === 1)),
  );
});

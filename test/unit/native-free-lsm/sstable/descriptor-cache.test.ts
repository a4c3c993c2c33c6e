import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { DescriptorCache } from '../../../../native-free-lsm/sstable/descriptor-cache.ts';
import { loadTable } from '../../../../native-free-lsm/sstable/load-table.ts';
import { DIRECTORY, emptyFileSystem, numberedEntries, writeTable } from './table-support.ts';

function setUp(capacity: number) {
  const fs = emptyFileSystem();
  const handles = [1, 2, 3, 4].map((id) =>
    loadTable(fs, DIRECTORY, writeTable(fs, numberedEntries(3), {}, id)),
  );
  return { fs, handles, cache: new DescriptorCache(fs, capacity) };
}

test('a file is opened once', () => {
  const { fs, handles, cache } = setUp(2);
  assert.equal(cache.get(handles[0]), cache.get(handles[0]));
  assert.notEqual(cache.get(handles[0]), cache.get(handles[1]));
  assert.equal(fs.openDescriptors, 2);
});

test('only trimming closes, the longest unused first', () => {
  const { fs, handles, cache } = setUp(2);
  const opened = handles.map((handle) => cache.get(handle));
  cache.get(handles[0]);
  assert.equal(fs.openDescriptors, 4);
  cache.trim();
  assert.equal(fs.openDescriptors, 2);
  assert.equal(cache.get(handles[0]), opened[0]);
  assert.equal(cache.get(handles[3]), opened[3]);
  assert.notEqual(cache.get(handles[1]), opened[1]);
  assert.equal(fs.openDescriptors, 3);
});

test('a table that is forgotten is closed, one that was never open does no harm', () => {
  const { fs, handles, cache } = setUp(2);
  cache.get(handles[0]);
  cache.get(handles[1]);
  cache.forget(1);
  cache.forget(1);
  assert.equal(fs.openDescriptors, 1);
  cache.closeAll();
  cache.closeAll();
  assert.equal(fs.openDescriptors, 0);
});

test('a file that cannot be opened is the error of the engine', () => {
  const { fs, handles, cache } = setUp(2);
  fs.removeSync('/db/000001.sst');
  assert.throws(
    () => cache.get(handles[0]),
    (error: LsmError) => error instanceof LsmError && error.code === 'IO_ERROR',
  );
});

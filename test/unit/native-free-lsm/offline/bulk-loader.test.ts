import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { BulkLoad, BulkTable } from '../../../../native-free-lsm/offline/bulk-loader.ts';
import { completeOptions } from '../../../../native-free-lsm/options.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { DescriptorCache } from '../../../../native-free-lsm/sstable/descriptor-cache.ts';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';
import { recover } from '../../../../native-free-lsm/store/recovery.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';
import { entryOf } from '../sstable/table-support.ts';

const OPTIONS = completeOptions({});
const DIRECTORIES = ['/one/engine', '/two/engine', '/three/engine'];

function fileSystem(): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  for (const directory of DIRECTORIES) fs.makeDirectorySync(directory);
  return fs;
}

function write(fs: MemoryFileSystem, directories: readonly string[], id: number, keys: readonly string[]) {
  using table = new BulkTable(fs, directories, id, OPTIONS, HASH_SEED);
  for (const { key, record } of keys.map((each) => entryOf(each))) {
    table.add(key, 0, key.length, record, 0, record.length);
  }
  return table.finish();
}

async function load(
  fs: MemoryFileSystem,
  directory: string,
  tables: readonly TableMetadata[],
): Promise<void> {
  using loaded = BulkLoad.begin(fs, directory);
  await loaded.commit(tables);
}

/** Keys and values of a directory, read as an engine that opens it would. */
function contents(fs: MemoryFileSystem, directory: string): { levels: number[]; entries: string[] } {
  const { lock, version, handles } = recover(fs, directory, OPTIONS, assert.fail, () => HASH_SEED);
  using _lock = lock;
  const descriptors = new DescriptorCache(fs, 4);
  const entries = handles.flatMap((handle) => {
    const found: string[] = [];
    const reader = new TableReader(handle);
    const records = reader.iterator(fs, descriptors.get(reader.handle), 4096);
    for (records.seekToFirst(); records.valid; records.next()) {
      const { keyBytes, keyStart, keyEnd } = records;
      found.push(Buffer.from(keyBytes.subarray(keyStart, keyEnd)).toString());
    }
    return found;
  });
  descriptors.closeAll();
  return { levels: version.levels.map((level) => level.length), entries };
}

const code = (expected: string) => (error: unknown) => error instanceof LsmError && error.code === expected;

describe('a bulk load', () => {
  test('puts the same tables into every directory, as files of their own', async () => {
    const fs = fileSystem();
    const tables = [write(fs, DIRECTORIES, 2, ['c', 'd']), write(fs, DIRECTORIES, 1, ['a', 'b'])];
    for (const directory of DIRECTORIES) {
      await load(fs, directory, tables);
      assert.deepEqual(contents(fs, directory), {
        levels: [0, 0, 0, 0, 0, 0, 2],
        entries: ['a', 'b', 'c', 'd'],
      });
      assert.deepEqual(fs.contents(`${directory}/000001.sst`), fs.contents('/one/engine/000001.sst'));
    }
  });

  test('survives a power cut once it has returned', async () => {
    const fs = fileSystem();
    const tables = [write(fs, DIRECTORIES, 1, ['a', 'b'])];
    for (const directory of DIRECTORIES) await load(fs, directory, tables);
    assert.equal(fs.openDescriptors, 0);
    const after = fs.crash({ bytes: 'lost', names: 'lost' });
    for (const directory of DIRECTORIES) assert.deepEqual(contents(after, directory).entries, ['a', 'b']);
  });

  test('of no table at all is an empty database', async () => {
    const fs = fileSystem();
    await load(fs, '/one/engine', []);
    assert.deepEqual(contents(fs, '/one/engine').entries, []);
  });

  test('puts its tables into the last level, so that no compaction is due', async () => {
    const fs = fileSystem();
    await load(fs, '/one/engine', [write(fs, DIRECTORIES, 1, ['a'])]);
    assert.deepEqual(contents(fs, '/one/engine').levels, [0, 0, 0, 0, 0, 0, 1]);
  });

  test('numbers what is written later above its tables', async () => {
    const fs = fileSystem();
    await load(fs, '/one/engine', [write(fs, ['/one/engine'], 7, ['a'])]);
    const { lock, nextFileId } = recover(fs, '/one/engine', OPTIONS, assert.fail, () => HASH_SEED);
    lock[Symbol.dispose]();
    assert.equal(nextFileId, 8);
  });

  test('that was cut off is nothing an engine would serve, and can be cleared away', () => {
    const fs = fileSystem();
    write(fs, DIRECTORIES, 1, ['a']);
    assert.throws(
      () => recover(fs, '/two/engine', OPTIONS, assert.fail, () => HASH_SEED),
      code('CORRUPTION'),
    );
    using cleared = BulkLoad.begin(fs, '/two/engine');
    cleared.clear();
    assert.deepEqual(
      fs.listSync('/two/engine').filter((name) => name !== 'LOCK'),
      [],
    );
  });

  test('keeps every other owner out until it is disposed of', () => {
    const fs = fileSystem();
    {
      using _owner = BulkLoad.begin(fs, '/one/engine');
      assert.throws(() => BulkLoad.begin(fs, '/one/engine'), code('LOCKED'));
      assert.throws(() => recover(fs, '/one/engine', OPTIONS, assert.fail, () => HASH_SEED), code('LOCKED'));
    }
    BulkLoad.begin(fs, '/one/engine')[Symbol.dispose]();
  });

  test('refuses a directory that holds a database, and leaves it as it is', async () => {
    const fs = fileSystem();
    await load(fs, '/one/engine', [write(fs, ['/one/engine'], 1, ['a'])]);
    await assert.rejects(load(fs, '/one/engine', []), code('INVALID_ARGUMENT'));
    assert.deepEqual(contents(fs, '/one/engine').entries, ['a']);
  });

  test('refuses tables that overlap or are not as they were written', async () => {
    const fs = fileSystem();
    const tables = [write(fs, ['/one/engine'], 1, ['a', 'c']), write(fs, ['/one/engine'], 2, ['b'])];
    await assert.rejects(load(fs, '/one/engine', tables), code('CORRUPTION'));
    const other = { ...tables[0], fileSizeBytes: tables[0].fileSizeBytes + 1 };
    await assert.rejects(load(fs, '/one/engine', [other]), code('CORRUPTION'));
    await assert.rejects(load(fs, '/two/engine', tables), code('IO_ERROR'));
  });
});

describe('a bulk table', () => {
  test('that is disposed of unfinished leaves no file', () => {
    const fs = fileSystem();
    {
      using table = new BulkTable(fs, DIRECTORIES, 1, OPTIONS, HASH_SEED);
      const { key, record } = entryOf('a');
      table.add(key, 0, key.length, record, 0, record.length);
      assert.equal(table.entries, 1);
    }
    for (const directory of DIRECTORIES) assert.deepEqual(fs.listSync(directory), []);
    assert.equal(fs.openDescriptors, 0);
  });

  test('says when the disk is full, wherever that happens', () => {
    for (const path of DIRECTORIES) {
      const fs = fileSystem();
      fs.onCall = (call) => {
        if (call.operation !== 'write' || !call.path.startsWith(path)) return undefined;
        throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
      };
      assert.throws(() => write(fs, DIRECTORIES, 1, ['a']), code('NO_SPACE'));
      assert.equal(fs.openDescriptors, 0);
    }
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import type { RecordIterator } from '../../../../native-free-lsm/iterator/record-iterator.ts';
import { fileSystemError, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import {
  assertDamage,
  drain,
  keyAt,
  numberedEntries,
  type OpenTable,
  printable,
  tableOf,
} from './table-support.ts';

const FILE = '/db/000001.sst';
const ENTRIES = numberedEntries(400);

function iteratorOf({ reader, fs, fd }: OpenTable, readaheadBytes: number): RecordIterator {
  return reader.iterator(fs, fd, readaheadBytes);
}

function readsOf(fs: MemoryFileSystem, act: () => void): number {
  const before = fs.callCount;
  act();
  return fs.callCount - before;
}

function seek(iterator: RecordIterator, key: string): void {
  const bytes = Buffer.from(`<${key}>`);
  iterator.seek(bytes, 1, bytes.length - 1);
}

test('a new iterator stands nowhere and has read nothing', () => {
  const table = tableOf(ENTRIES);
  const before = table.fs.callCount;
  const iterator = iteratorOf(table, 4096);
  assert.equal(iterator.valid, false);
  assert.equal(table.fs.callCount, before);
});

test('a walk reads many blocks at a time', () => {
  const table = tableOf(ENTRIES);
  const { blockCount } = table.reader;
  for (const [readaheadBytes, expected] of [
    [0, blockCount],
    [1 << 20, 1],
  ]) {
    const iterator = iteratorOf(table, readaheadBytes);
    const reads = readsOf(table.fs, () => {
      iterator.seekToFirst();
      assert.equal(drain(iterator).length, 400);
    });
    assert.equal(reads, expected);
  }
});

test('a read takes no more than the readahead allows', () => {
  const table = tableOf(ENTRIES);
  const iterator = iteratorOf(table, 2000);
  const reads = readsOf(table.fs, () => {
    iterator.seekToFirst();
    drain(iterator);
  });
  const least = Math.ceil(table.reader.blockCount / 7);
  assert.ok(reads >= least && reads <= least * 1.3, `${reads} reads of ${table.reader.blockCount} blocks`);
});

test('a seek reads the one block it needs, and going on reads more and more', () => {
  const table = tableOf(ENTRIES);
  const iterator = iteratorOf(table, 1 << 20);
  const offsets: number[] = [];
  const fs: MemoryFileSystem = Object.create(table.fs);
  const { readSync } = table.fs;
  fs.readSync = (fd, target, targetOffset, length, position) => {
    offsets.push(length);
    return readSync.call(table.fs, fd, target, targetOffset, length, position);
  };
  const counted = table.reader.iterator(fs, table.fd, 1 << 20);
  seek(counted, 'key000100');
  assert.equal(offsets.length, 1);
  assert.ok(offsets[0] <= 256 + 5);
  drain(counted);
  for (let i = 1; i < offsets.length - 1; i++) assert.ok(offsets[i] > offsets[i - 1], offsets.join());
  assert.ok(offsets.length <= 7, offsets.join());
  assert.equal(iterator.valid, false);
});

test('a seek within what was read reads nothing', () => {
  const table = tableOf(ENTRIES);
  const iterator = iteratorOf(table, 1 << 20);
  iterator.seekToFirst();
  const reads = readsOf(table.fs, () => {
    for (const key of ['key000399', 'key000000', 'key000200']) {
      seek(iterator, key);
      assert.equal(Buffer.from(keyAt(iterator)).toString(), key);
    }
  });
  assert.equal(reads, 0);
});

test('a seek above the last key stands nowhere and reads nothing', () => {
  const table = tableOf(ENTRIES);
  const iterator = iteratorOf(table, 4096);
  iterator.seekToFirst();
  assert.equal(
    readsOf(table.fs, () => seek(iterator, 'key0003990')),
    0,
  );
  assert.equal(iterator.valid, false);
});

test('a seek between two blocks finds the first entry of the next', () => {
  const table = tableOf(ENTRIES);
  const iterator = iteratorOf(table, 0);
  for (let i = 0; i < 399; i++) {
    seek(iterator, `key${String(i).padStart(6, '0')}!`);
    assert.equal(Buffer.from(keyAt(iterator)).toString(), `key${String(i + 1).padStart(6, '0')}`);
  }
});

test('what was damaged is found when it is entered; what lies before it is still given', () => {
  for (const compression of ['none', 'lz4', 'zstd'] as const) {
    const value = new Uint8Array(100).fill(3);
    const table = tableOf(numberedEntries(60, value), { compression, blockSizeBytes: 1024 });
    const bytes = table.fs.contents(FILE);
    bytes[Math.floor(bytes.length / 4)] ^= 1;
    table.fs.place(FILE, bytes);
    const iterator = table.reader.iterator(table.fs, table.fs.openReadSync(FILE), 1 << 20);
    iterator.seekToFirst();
    let given = 0;
    const error = assertDamage(
      () => {
        for (; iterator.valid; iterator.next()) given++;
      },
      FILE,
      bytes.length,
    );
    assert.ok(given > 0 && given < 60 && (error.offset ?? 0) > 0);
    assert.equal(iterator.valid, false);
    seek(iterator, 'key000059');
    assert.equal(drain(iterator).length, 1);
  }
});

test('after a read that failed the iterator can be sought again', () => {
  const table = tableOf(ENTRIES);
  const iterator = iteratorOf(table, 600);
  iterator.seekToFirst();
  table.fs.onCall = (call) => {
    throw fileSystemError('EIO', 'read', call.path);
  };
  assert.throws(
    () => drain(iterator),
    (error: LsmError) => error instanceof LsmError && error.code === 'IO_ERROR' && error.file === FILE,
  );
  assert.equal(iterator.valid, false);
  table.fs.onCall = undefined;
  iterator.seekToFirst();
  assert.deepEqual(printable(drain(iterator)), printable(ENTRIES));
});

test('what a failed read has left half-way is not used', () => {
  const table = tableOf(ENTRIES);
  let broken = false;
  const fs: MemoryFileSystem = Object.create(table.fs);
  fs.readSync = (fd, target, targetOffset, length, position) => {
    if (!broken) return table.fs.readSync(fd, target, targetOffset, length, position);
    target.fill(0xee, targetOffset, targetOffset + length);
    throw fileSystemError('EIO', 'read', FILE);
  };
  const iterator = table.reader.iterator(fs, table.fd, 600);
  iterator.seekToFirst();
  broken = true;
  assert.throws(() => drain(iterator), /EIO/);
  broken = false;
  iterator.seekToFirst();
  assert.equal(drain(iterator).length, 400);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError, type LsmErrorCode } from '../../../../native-free-lsm/errors.ts';
import { encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import {
  type FileSystemOperation,
  fileSystemError,
  type MemoryFileSystem,
} from '../../../../native-free-lsm/simulation/index.ts';
import { loadTable } from '../../../../native-free-lsm/sstable/load-table.ts';
import { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';
import { TableWriter } from '../../../../native-free-lsm/sstable/table-writer.ts';
import {
  DIRECTORY,
  drain,
  type Entry,
  emptyFileSystem,
  entryOf,
  lookUp,
  numberedEntries,
  OPTIONS,
  openTable,
  printable,
  recordOf,
  sortedUnique,
  tableOf,
  writeTable,
} from './table-support.ts';

function add(writer: TableWriter, { key, record }: Entry): void {
  writer.add(key, 0, key.length, record, 0, record.length);
}

function rejects(act: () => unknown, code: LsmErrorCode, message: RegExp): void {
  assert.throws(
    act,
    (error: LsmError) => error instanceof LsmError && error.code === code && message.test(error.message),
  );
}

test('a table has its name once it is finished, durable but for the directory', () => {
  const fs = emptyFileSystem();
  const writer = new TableWriter(fs, DIRECTORY, 7, OPTIONS);
  assert.deepEqual(fs.listSync(DIRECTORY), ['000007.sst.tmp']);
  add(writer, entryOf('a'));
  const metadata = writer.finish(2);
  assert.deepEqual(fs.listSync(DIRECTORY), ['000007.sst']);
  assert.equal(fs.openDescriptors, 0);
  assert.equal(metadata.fileSizeBytes, fs.sizeSync('/db/000007.sst'));
  const disk = fs.crash({ bytes: 'lost', names: 'kept' });
  loadTable(disk, DIRECTORY, metadata);
});

test('the metadata sums up what was added', () => {
  const entry = (key: string, timestamp: number, tombstone: boolean, expiryMs: number, value: string) => ({
    key: Buffer.from(key),
    record: encodeRecord({ timestamp, writer: 1, tombstone, from: 3, expiryMs }, Buffer.from(value)),
  });
  const { metadata } = tableOf([
    entry('aa', 50, false, 0, 'xyz'),
    entry('b', 20, true, 0, ''),
    entry('c', 30, false, 900, '12345'),
    entry('dddd', 90, false, 700, ''),
  ]);
  assert.deepEqual(metadata, {
    id: 1,
    level: 1,
    fileSizeBytes: metadata.fileSizeBytes,
    entries: 4,
    tombstones: 1,
    rawSizeBytes: 2 + 3 + 1 + 1 + 5 + 4,
    smallestKey: Uint8Array.from(Buffer.from('aa')),
    largestKey: Uint8Array.from(Buffer.from('dddd')),
    smallestTimestamp: 20,
    largestTimestamp: 90,
    smallestExpiryMs: 700,
  });
});

test('keys that do not ascend are refused', () => {
  for (const keys of [
    ['b', 'a'],
    ['b', 'b'],
    ['ab', 'a'],
    ['a', ''],
    ['', ''],
  ]) {
    const writer = new TableWriter(emptyFileSystem(), DIRECTORY, 1, OPTIONS);
    add(writer, entryOf(keys[0]));
    rejects(() => add(writer, entryOf(keys[1])), 'INVALID_ARGUMENT', /ascending/);
  }
});

test('a key too long, a record that is none and a table of nothing are refused', () => {
  const writer = new TableWriter(emptyFileSystem(), DIRECTORY, 1, OPTIONS);
  rejects(() => writer.finish(0), 'INVALID_ARGUMENT', /without entries/);
  rejects(() => add(writer, entryOf('k'.repeat(65_536))), 'INVALID_ARGUMENT', /65536 bytes/);
  const record = Buffer.from('no record');
  rejects(
    () => add(writer, { key: Buffer.from('a'), record }),
    'INVALID_ARGUMENT',
    /shorter than its header/,
  );
});

test('keys and records at their limits come back', () => {
  const longest = (last: string) => `${'k'.repeat(65_534)}${last}`;
  const entries = [
    entryOf('', ''),
    entryOf('a large one', new Uint8Array(16 * 1024 * 1024).fill(7)),
    entryOf(longest('a'), 'a'),
    entryOf(longest('b'), new Uint8Array(70_000)),
  ];
  for (const compression of ['none', 'lz4', 'zstd'] as const) {
    const table = tableOf(entries, { compression });
    for (const { key, record } of entries) {
      assert.equal(Buffer.compare(lookUp(table, key) ?? new Uint8Array(0), record), 0);
    }
  }
});

test('no block is larger than its size unless it holds one entry', () => {
  const entries = numberedEntries(300).map((entry, i) =>
    i % 20 === 3 ? { ...entry, record: recordOf(new Uint8Array(1000)) } : entry,
  );
  const table = tableOf(entries);
  let small = 0;
  for (let ordinal = 0; ordinal < table.reader.blockCount; ordinal++) {
    const withoutFirstKey = table.reader.blockMemoryBytes(ordinal) - entries[0].key.length;
    if (withoutFirstKey <= OPTIONS.blockSizeBytes) small++;
  }
  assert.equal(table.reader.blockCount - small, 15);
});

/** Sizes as an engine has them. */
const ENGINE_SIZES = { blockSizeBytes: 4096, restartInterval: 16, bloomBitsPerKey: 10 };

function keyBytesOf(entries: readonly Entry[]): number {
  return entries.reduce((bytes, { key }) => bytes + key.length, 0);
}

test('long keys that begin alike take little room, on disk and in memory', () => {
  const prefix = 'p'.repeat(4080);
  const entries = Array.from({ length: 20_000 }, (_, i) => entryOf(`${prefix}${100_000 + i}`, 'v'));
  const table = tableOf(entries, ENGINE_SIZES);
  const { filter, index } = table.reader.handle;
  // 79 MiB of keys. An entry has 17 bytes of record, 4 of lengths and 3 of key, or 4 and a restart point.
  assert.ok(table.metadata.fileSizeBytes < 20_000 * 60, `${table.metadata.fileSizeBytes} bytes in the file`);
  assert.ok(index.byteLength < 4100 + table.reader.blockCount * 24, `${index.byteLength} bytes of index`);
  assert.ok(filter.byteLength < 20_000 * 1.3);
  // Reading one key reads the first key of its block and as much besides as of any other keys.
  for (let ordinal = 0; ordinal < table.reader.blockCount; ordinal++) {
    assert.ok(table.reader.blockMemoryBytes(ordinal) <= 4096 + 4086);
  }
  for (let i = 0; i < entries.length; i += 37) {
    assert.deepEqual(lookUp(table, entries[i].key), Uint8Array.from(entries[i].record));
  }
});

test('long keys without anything in common take hardly more room than they have bytes', () => {
  const entries = sortedEntries(Array.from({ length: 2000 }, (_, i) => randomKey(4090, i)));
  const table = tableOf(entries, ENGINE_SIZES);
  assert.ok(table.metadata.fileSizeBytes < keyBytesOf(entries) * 1.02);
  assert.ok(table.reader.handle.index.byteLength < 2000 * 24);
  for (const { key, record } of entries) assert.deepEqual(lookUp(table, key), Uint8Array.from(record));
});

test('an index stays small against its data whatever keys are like', () => {
  // In each pair the keys differ in their last byte, and a block cannot hold both and another: the separators that
  // would do for blocks of the usual size are whole keys, with nothing in common.
  const pairs = Array.from({ length: 600 }, (_, i) => randomKey(4095, i)).flatMap((key) =>
    ['a', 'b'].map((last) => Buffer.concat([key, Buffer.from(last)])),
  );
  const threes = Array.from({ length: 400 }, (_, i) => randomKey(2000, i)).flatMap((key) =>
    [0, 1, 2].map((other) => Buffer.concat([key, randomKey(1500, other)])),
  );
  for (const keys of [pairs, threes]) {
    for (const valueBytes of [0, 100, 2100]) {
      const entries = sortedEntries(keys, new Uint8Array(valueBytes));
      const table = tableOf(entries, ENGINE_SIZES);
      const { index } = table.reader.handle;
      const bound = 16 * 1024 + table.metadata.fileSizeBytes / 32 + 4096;
      assert.ok(index.byteLength <= bound, `${index.byteLength} bytes of index, ${bound} may be`);
      const values = entries.length * valueBytes;
      assert.ok(table.metadata.fileSizeBytes < keyBytesOf(entries) * 1.3 + values);
      for (const { key, record } of entries) assert.deepEqual(lookUp(table, key), Uint8Array.from(record));
    }
  }
});

function randomKey(length: number, seed: number): Buffer {
  const key = Buffer.alloc(length);
  let state = Math.imul(seed + 1, 0x9e3779b1);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    key[i] = state >>> 24;
  }
  return key;
}

function sortedEntries(keys: readonly Uint8Array[], value: string | Uint8Array = 'v'): Entry[] {
  return sortedUnique(keys).map((key) => ({ key, record: recordOf(value) }));
}

test('the size is known well enough beforehand', () => {
  const fs = emptyFileSystem();
  const writer = new TableWriter(fs, DIRECTORY, 1, OPTIONS);
  for (const entry of numberedEntries(2000)) add(writer, entry);
  assert.equal(writer.entries, 2000);
  const estimate = writer.estimatedSizeBytes;
  const { fileSizeBytes } = writer.finish(1);
  assert.ok(Math.abs(estimate - fileSizeBytes) < 400, `${estimate} for ${fileSizeBytes}`);
});

test('zstd makes a table smaller and changes nothing else', () => {
  const entries = numberedEntries(500, new Uint8Array(100).fill(1));
  const plain = tableOf(entries);
  const packed = tableOf(entries, { compression: 'zstd', blockSizeBytes: 4096 });
  assert.ok(packed.metadata.fileSizeBytes < plain.metadata.fileSizeBytes / 3);
  const iterator = packed.reader.iterator(packed.fs, packed.fd, 4096);
  iterator.seekToFirst();
  assert.deepEqual(printable(drain(iterator)), printable(entries));
});

test('a table without a filter lets every key pass', () => {
  const table = tableOf([entryOf('a')], { bloomBitsPerKey: 0 });
  assert.equal(table.reader.handle.filter.byteLength, 0);
  assert.ok(table.reader.mayContain(1));
  assert.equal(lookUp(table, Buffer.from('b')), undefined);
  assert.notEqual(lookUp(table, Buffer.from('a')), undefined);
});

test('abandoning leaves nothing, also after an error, and does no harm after finish', () => {
  const fs = emptyFileSystem();
  const writer = new TableWriter(fs, DIRECTORY, 1, OPTIONS);
  add(writer, entryOf('b'));
  assert.throws(() => add(writer, entryOf('a')));
  writer.abandon();
  writer.abandon();
  assert.deepEqual([fs.listSync(DIRECTORY), fs.openDescriptors], [[], 0]);
  const metadata = writeTable(fs, [entryOf('a')]);
  openTable(fs, metadata);
  assert.deepEqual(fs.listSync(DIRECTORY), ['000001.sst']);
});

test('the same entries and options make the same file', () => {
  const entries = numberedEntries(100);
  const [one, two] = [tableOf(entries), tableOf(entries)];
  assert.deepEqual(one.fs.contents('/db/000001.sst'), two.fs.contents('/db/000001.sst'));
});

test('whichever call to the file system fails, the error says so and nothing is left', () => {
  const failing: [FileSystemOperation, string, LsmErrorCode][] = [
    ['create', 'EACCES', 'IO_ERROR'],
    ['write', 'ENOSPC', 'NO_SPACE'],
    ['fdatasync', 'EIO', 'IO_ERROR'],
    ['rename', 'EIO', 'IO_ERROR'],
  ];
  for (const [operation, code, expected] of failing) {
    const fs = emptyFileSystem();
    fs.onCall = (call) => {
      if (call.operation === operation) throw fileSystemError(code, operation, call.path);
      return undefined;
    };
    rejects(() => writeTable(fs, numberedEntries(10)), expected, /000001\.sst\.tmp/);
    assert.deepEqual([fs.listSync(DIRECTORY), fs.openDescriptors], [[], 0], operation);
  }
});

test('a table is synced before it is renamed, and written before it is synced', () => {
  const fs = emptyFileSystem();
  const calls: string[] = [];
  fs.onCall = ({ operation }) => {
    if (calls.at(-1) !== operation) calls.push(operation);
    return undefined;
  };
  writeTable(fs, numberedEntries(10));
  assert.deepEqual(calls, ['create', 'write', 'fdatasync', 'rename']);
});

test('a name that is taken is not written over', () => {
  const fs = emptyFileSystem();
  fs.place('/db/000001.sst.tmp', Buffer.from('mine'));
  rejects(() => new TableWriter(fs, DIRECTORY, 1, OPTIONS), 'IO_ERROR', /exists/);
  assert.equal(Buffer.from(fs.contents('/db/000001.sst.tmp')).toString(), 'mine');
});

test('a reader is made of nothing but plain data', () => {
  const table = tableOf([entryOf('a')]);
  const reader = new TableReader(structuredClone(table.reader.handle));
  assert.notEqual(lookUp({ ...table, reader }, Buffer.from('a')), undefined);
});

test('a table that is written out of the syncs of another one leaves that as it is', () => {
  const options = { ...OPTIONS, compression: 'none' } as const;
  const write = (fs: MemoryFileSystem, id: number, entries: readonly Entry[]): Buffer => {
    const writer = new TableWriter(fs, DIRECTORY, id, options, 1);
    for (const entry of entries) add(writer, entry);
    writer.finish(1);
    return Buffer.from(fs.contents(`${DIRECTORY}/${String(id).padStart(6, '0')}.sst`));
  };
  const value = Buffer.alloc(100, 'v');
  const others = numberedEntries(900, Buffer.from('of the other table'));
  const other = write(emptyFileSystem(), 1, others);
  // Some of these have so many bytes that the sync comes between two of the parts behind the blocks.
  for (let count = 3600; count < 4000; count += 20) {
    const entries = numberedEntries(count, value);
    const alone = write(emptyFileSystem(), 1, entries);
    const fs = emptyFileSystem();
    let id = 1;
    fs.onCall = ({ operation }) => {
      if (operation !== 'fdatasync' || id > 1) return undefined;
      for (id = 2; id < 4; id++) assert.ok(write(fs, id, others).equals(other));
      id = 1;
      return undefined;
    };
    assert.ok(write(fs, 1, entries).equals(alone), `${count} entries`);
  }
});

/** A table that is written beside what `spoil` does to one that is over. */
function besideOver(spoil: (over: TableWriter) => void): Uint8Array {
  const fs = emptyFileSystem();
  const over = new TableWriter(fs, DIRECTORY, 1, OPTIONS);
  add(over, entryOf('a'));
  over.finish(1);
  const writer = new TableWriter(fs, DIRECTORY, 2, OPTIONS);
  const entries = numberedEntries(600);
  for (const entry of entries.slice(0, 500)) add(writer, entry);
  spoil(over);
  for (const entry of entries.slice(500)) add(writer, entry);
  writer.finish(1);
  return fs.contents(`${DIRECTORY}/000002.sst`);
}

test('a finished table takes nothing more, and the one that has its memory then is as it was', () => {
  const alone = besideOver(() => undefined);
  const spoiled = besideOver((over) => {
    rejects(() => add(over, entryOf('z')), 'CLOSED', /takes nothing more/);
    rejects(() => over.finish(1), 'CLOSED', /takes nothing more/);
    over.abandon();
    rejects(() => add(over, entryOf('z')), 'CLOSED', /takes nothing more/);
  });
  assert.ok(Buffer.from(spoiled).equals(alone));
});

test('a table that was given up takes nothing more', () => {
  const writer = new TableWriter(emptyFileSystem(), DIRECTORY, 1, OPTIONS);
  add(writer, entryOf('a'));
  writer.abandon();
  rejects(() => add(writer, entryOf('b')), 'CLOSED', /takes nothing more/);
  rejects(() => writer.finish(1), 'CLOSED', /takes nothing more/);
});

test('a table that could not be written once is not finished as if it were whole', () => {
  for (const operation of ['write', 'fdatasync', 'rename'] as const) {
    const fs = emptyFileSystem();
    const writer = new TableWriter(fs, DIRECTORY, 1, OPTIONS);
    for (const entry of numberedEntries(500)) add(writer, entry);
    fs.onCall = (call) => {
      if (call.operation === operation) throw fileSystemError('ENOSPC', operation, call.path);
      return undefined;
    };
    rejects(() => writer.finish(1), 'NO_SPACE', /000001/);
    fs.onCall = () => undefined;
    rejects(() => writer.finish(1), 'CLOSED', /takes nothing more/);
    writer.abandon();
    assert.deepEqual([fs.listSync(DIRECTORY), fs.openDescriptors], [[], 0], operation);
  }
});

test('a table of which a block could not be written takes nothing more', () => {
  const fs = emptyFileSystem();
  const writer = new TableWriter(fs, DIRECTORY, 1, { ...OPTIONS, compression: 'none' });
  fs.onCall = (call) => {
    if (call.operation === 'write') throw fileSystemError('ENOSPC', 'write', call.path);
    return undefined;
  };
  const entries = numberedEntries(2000, Buffer.alloc(1000, 'v'));
  rejects(() => entries.forEach((entry) => void add(writer, entry)), 'NO_SPACE', /000001/);
  fs.onCall = () => undefined;
  rejects(() => add(writer, entryOf('z')), 'CLOSED', /takes nothing more/);
  rejects(() => writer.finish(1), 'CLOSED', /takes nothing more/);
});

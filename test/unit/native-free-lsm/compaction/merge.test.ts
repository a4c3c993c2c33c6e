import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MergeSpec, mergeTables } from '../../../../native-free-lsm/compaction/merge.ts';
import { writeTables } from '../../../../native-free-lsm/compaction/table-output.ts';
import {
  encodeRecord,
  isTombstone,
  recordTimestamp,
  recordValueStart,
} from '../../../../native-free-lsm/format/record.ts';
import type { RecordIterator } from '../../../../native-free-lsm/iterator/record-iterator.ts';
import { fileSystemError, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { loadTable } from '../../../../native-free-lsm/sstable/load-table.ts';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';
import { TableWriter, type TableWriterOptions } from '../../../../native-free-lsm/sstable/table-writer.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';
import { ids } from '../version/version-support.ts';

const DIRECTORY = '/db';
const TABLE: TableWriterOptions = {
  blockSizeBytes: 256,
  restartInterval: 4,
  compression: 'none',
  zstdLevel: 1,
  bloomBitsPerKey: 10,
  hashSeed: HASH_SEED,
  slotVersions: true,
  fingerprintSeed: HASH_SEED,
};
const NOW = 1_000_000;
const NEVER = () => false;

interface Entry {
  readonly key: string;
  readonly timestamp: number;
  /** Null: a tombstone. */
  readonly value: string | null;
  readonly expiryMs?: number;
}

function directory(): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  return fs;
}

function recordOf({ timestamp, value, expiryMs = 0 }: Entry): Uint8Array {
  const fields = { timestamp, writer: 1, tombstone: value === null, from: 3, expiryMs };
  return encodeRecord(fields, Buffer.from(value ?? ''));
}

function writeTable(fs: MemoryFileSystem, id: number, entries: readonly Entry[]): TableMetadata {
  const writer = new TableWriter(fs, DIRECTORY, id, TABLE);
  for (const entry of entries) {
    const key = Buffer.from(entry.key);
    const record = recordOf(entry);
    writer.add(key, 0, key.length, record, 0, record.length);
  }
  const metadata = writer.finish(0);
  fs.syncDirectorySync(DIRECTORY);
  return metadata;
}

function spec(
  fs: MemoryFileSystem,
  inputs: readonly TableMetadata[],
  more: Partial<MergeSpec> = {},
): MergeSpec {
  return {
    directory: DIRECTORY,
    inputs: inputs.map((metadata) => loadTable(fs, DIRECTORY, metadata)),
    damaged: [],
    outputLevel: 1,
    fileIds: [101, 102, 103, 104],
    targetFileBytes: 1_000_000,
    table: TABLE,
    bottommost: false,
    dropTombstonesBelow: 0,
    watermarks: null,
    nowMs: NOW,
    ...more,
  };
}

function read(fs: MemoryFileSystem, tables: readonly TableMetadata[]): Entry[] {
  return tables.flatMap((metadata) => {
    const handle = loadTable(fs, DIRECTORY, metadata);
    const fd = fs.openReadSync(handle.path);
    const entries: Entry[] = [];
    const rows = new TableReader(handle).iterator(fs, fd, 4096);
    for (rows.seekToFirst(); rows.valid; rows.next()) entries.push(entryAt(rows));
    fs.closeSync(fd);
    return entries;
  });
}

function entryAt({ keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd }: RecordIterator): Entry {
  const valueStart = recordValueStart(recordBytes, recordStart);
  const value = Buffer.from(recordBytes.subarray(valueStart, recordEnd)).toString();
  return {
    key: Buffer.from(keyBytes.subarray(keyStart, keyEnd)).toString(),
    timestamp: recordTimestamp(recordBytes, recordStart),
    value: isTombstone(recordBytes, recordStart) ? null : value,
  };
}

const NEW: Entry[] = [
  { key: 'a', timestamp: 9, value: 'new' },
  { key: 'c', timestamp: 9, value: null },
  { key: 'e', timestamp: 9, value: 'gone', expiryMs: NOW },
];
const OLD: Entry[] = [
  { key: 'a', timestamp: 1, value: 'old' },
  { key: 'b', timestamp: 1, value: 'old' },
  { key: 'c', timestamp: 1, value: 'old' },
  { key: 'd', timestamp: 8, value: null },
];

test('the newest of each key, durable with its name; inputs stay; every file is closed', () => {
  const fs = directory();
  const inputs = [writeTable(fs, 2, NEW), writeTable(fs, 1, OLD)];
  const outputs = mergeTables(fs, spec(fs, inputs), NEVER).tables;
  assert.deepEqual(ids(outputs), [101]);
  assert.equal(outputs[0].level, 1);
  assert.equal(fs.openDescriptors, 0);
  const after = fs.crash({ bytes: 'lost', names: 'lost' });
  assert.deepEqual(after.listSync(DIRECTORY).sort(), ['000001.sst', '000002.sst', '000101.sst']);
  assert.deepEqual(read(after, outputs), [
    { key: 'a', timestamp: 9, value: 'new' },
    { key: 'b', timestamp: 1, value: 'old' },
    { key: 'c', timestamp: 9, value: null },
    { key: 'd', timestamp: 8, value: null },
    { key: 'e', timestamp: 9, value: null },
  ]);
  assert.equal(outputs[0].tombstones, 3);
});

test('tombstones and expired values go where nothing older is left', () => {
  const fs = directory();
  const inputs = [writeTable(fs, 2, NEW), writeTable(fs, 1, OLD)];
  const outputs = mergeTables(
    fs,
    spec(fs, inputs, { bottommost: true, dropTombstonesBelow: 9 }),
    NEVER,
  ).tables;
  assert.deepEqual(
    read(fs, outputs).map(({ key }) => key),
    ['a', 'b', 'c', 'e'],
  );
});

test('when nothing is left no table is written', () => {
  const fs = directory();
  const input = writeTable(fs, 1, [{ key: 'a', timestamp: 1, value: null }]);
  const calls: string[] = [];
  const dropping = spec(fs, [input], { bottommost: true, dropTombstonesBelow: 2 });
  fs.onCall = ({ operation }) => {
    calls.push(operation);
  };
  assert.deepEqual(mergeTables(fs, dropping, NEVER).tables, []);
  assert.ok(!calls.includes('create') && !calls.includes('syncDirectory'));
});

test('outputs are split by size, one directory sync for all, the last takes what is left', () => {
  const fs = directory();
  const entries = Array.from({ length: 400 }, (_, i) => ({
    key: `key${String(i).padStart(5, '0')}`,
    timestamp: 5,
    value: 'v'.repeat(40),
  }));
  const input = writeTable(fs, 1, entries);
  const split = spec(fs, [input], {
    targetFileBytes: 6000,
    fileIds: [101, 102, 103, 104, 105, 106, 107, 108],
  });
  const calls: string[] = [];
  fs.onCall = ({ operation }) => {
    calls.push(operation);
  };
  const outputs = mergeTables(fs, split, NEVER).tables;
  fs.onCall = undefined;
  assert.equal(calls.filter((operation) => operation === 'syncDirectory').length, 1);
  assert.ok(outputs.length > 4 && outputs.length < 8, `${outputs.length} tables`);
  assert.deepEqual(ids(outputs), split.fileIds.slice(0, outputs.length));
  for (const [i, { fileSizeBytes, smallestKey }] of outputs.entries()) {
    if (i < outputs.length - 1)
      assert.ok(fileSizeBytes >= 5500 && fileSizeBytes <= 6500, `${fileSizeBytes} bytes`);
    if (i > 0) assert.ok(Buffer.compare(outputs[i - 1].largestKey, smallestKey) < 0);
  }
  assert.deepEqual(read(fs, outputs), entries);
  const few = mergeTables(fs, { ...split, fileIds: [201, 202] }, NEVER).tables;
  assert.deepEqual(ids(few), [201, 202]);
  assert.deepEqual(read(fs, few), entries);
  assert.throws(() => mergeTables(fs, { ...split, fileIds: [] }, NEVER).tables, { code: 'INVALID_ARGUMENT' });
});

test('cancelled, failed at any call or met by damage: no output is left, no file open', () => {
  const entries = Array.from({ length: 60 }, (_, i) => ({
    key: `k${i + 100}`,
    timestamp: 5,
    value: 'v'.repeat(50),
  }));
  const small = { targetFileBytes: 1500 };
  for (let asked = 0; asked < 60; asked += 7) {
    const fs = directory();
    const input = spec(fs, [writeTable(fs, 1, entries)], small);
    let count = 0;
    assert.throws(() => mergeTables(fs, input, () => count++ === asked), { code: 'CLOSED' });
    assert.deepEqual(fs.listSync(DIRECTORY), ['000001.sst']);
    assert.equal(fs.openDescriptors, 0);
  }
  for (let failAt = 0; ; failAt++) {
    const fs = directory();
    const input = spec(fs, [writeTable(fs, 1, entries)], small);
    const first = fs.callCount;
    fs.onCall = ({ index, operation, path }) => {
      if (index - first === failAt) throw fileSystemError('ENOSPC', operation, path);
    };
    try {
      assert.ok(mergeTables(fs, input, NEVER).tables.length > 2);
      break;
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'NO_SPACE');
    }
    assert.deepEqual(fs.listSync(DIRECTORY), ['000001.sst'], `call ${failAt}`);
    assert.equal(fs.openDescriptors, 0);
  }
  const fs = directory();
  const input = spec(fs, [writeTable(fs, 1, entries)], small);
  const damaged = fs.contents('/db/000001.sst');
  damaged[3000] ^= 1;
  fs.place('/db/000001.sst', damaged);
  assert.throws(() => mergeTables(fs, input, NEVER).tables, { code: 'CORRUPTION', file: '/db/000001.sst' });
  assert.deepEqual(fs.listSync(DIRECTORY), ['000001.sst']);
  assert.equal(fs.openDescriptors, 0);
});

test('a source of another kind: what a flush does', () => {
  const fs = directory();
  const keys = [Buffer.from('a'), Buffer.from('b')];
  const record = recordOf({ key: '', timestamp: 3, value: 'x' });
  let at = -1;
  const source: RecordIterator = {
    get valid() {
      return at >= 0 && at < keys.length;
    },
    get keyBytes() {
      return keys[at];
    },
    keyStart: 0,
    keyEnd: 1,
    recordBytes: record,
    recordStart: 0,
    recordEnd: record.length,
    seekToFirst: () => {
      at = 0;
    },
    seek: () => assert.fail('a flush does not seek'),
    next: () => {
      at++;
    },
  };
  const { inputs: _, ...output } = spec(fs, [], { outputLevel: 0 });
  const tables = writeTables(fs, source, output, NEVER);
  assert.deepEqual(
    read(fs, tables).map(({ key, value }) => `${key}=${value}`),
    ['a=x', 'b=x'],
  );
});

const arbitraryTables = fc.array(
  fc.uniqueArray(
    fc.record({
      key: fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 }),
      value: fc.option(fc.string({ unit: 'grapheme-ascii', maxLength: 30 })),
      expiryMs: fc.constantFrom(0, 0, 0, NOW, NOW + 1),
    }),
    { selector: ({ key }) => key, minLength: 1, maxLength: 30 },
  ),
  { minLength: 1, maxLength: 5 },
);

test('random tables against a map', () => {
  fc.assert(
    fc.property(
      arbitraryTables,
      fc.boolean(),
      fc.nat(6),
      fc.integer({ min: 600, max: 3000 }),
      (tables, bottommost, dropTombstonesBelow, targetFileBytes) => {
        const fs = directory();
        const model = new Map<string, Entry>();
        // Newest first, so that a table's timestamp falls with its position.
        const inputs = tables.map((rows, i) => {
          const entries = rows
            .toSorted((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
            .map((row) => ({
              ...row,
              expiryMs: row.value === null ? 0 : row.expiryMs,
              timestamp: tables.length - i,
            }));
          for (const entry of entries) if (!model.has(entry.key)) model.set(entry.key, entry);
          return writeTable(fs, tables.length - i, entries);
        });
        const expected = [...model.values()]
          .map(({ key, timestamp, value, expiryMs }) => ({
            key,
            timestamp,
            value: expiryMs === NOW ? null : value,
          }))
          .filter(
            ({ timestamp, value }) => !(value === null && bottommost && timestamp < dropTombstonesBelow),
          )
          .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
        const options = { bottommost, dropTombstonesBelow, targetFileBytes };
        assert.deepEqual(read(fs, mergeTables(fs, spec(fs, inputs, options), NEVER).tables), expected);
      },
    ),
    { numRuns: 200 },
  );
});

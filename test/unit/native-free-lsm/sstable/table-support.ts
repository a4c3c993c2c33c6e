import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LsmError, type LsmErrorCode } from '../../../../native-free-lsm/errors.ts';
import { hashBytes } from '../../../../native-free-lsm/format/hash.ts';
import { encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import { KeyBound } from '../../../../native-free-lsm/iterator/key-bound.ts';
import type { RecordIterator } from '../../../../native-free-lsm/iterator/record-iterator.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { searchBlock } from '../../../../native-free-lsm/sstable/block.ts';
import { DescriptorCache } from '../../../../native-free-lsm/sstable/descriptor-cache.ts';
import { loadTable } from '../../../../native-free-lsm/sstable/load-table.ts';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';
import { TableWriter, type TableWriterOptions } from '../../../../native-free-lsm/sstable/table-writer.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

export const DIRECTORY = '/db';

export const OPTIONS: TableWriterOptions = {
  blockSizeBytes: 256,
  restartInterval: 4,
  compression: 'none',
  zstdLevel: 1,
  bloomBitsPerKey: 10,
  hashSeed: HASH_SEED,
  slotVersions: true,
  fingerprintSeed: HASH_SEED,
};

export interface Entry {
  readonly key: Uint8Array;
  readonly record: Uint8Array;
}

export function recordOf(value: string | Uint8Array, timestamp = 1, writer = 1): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return encodeRecord({ timestamp, writer, tombstone: false, from: 3, expiryMs: 0 }, bytes);
}

export function entryOf(key: string, value: string | Uint8Array = `value of ${key}`, timestamp = 1): Entry {
  return { key: Buffer.from(key), record: recordOf(value, timestamp) };
}

/** `count` entries in ascending order of keys. */
export function numberedEntries(count: number, value?: Uint8Array): Entry[] {
  return Array.from({ length: count }, (_, i) => entryOf(`key${String(i).padStart(6, '0')}`, value));
}

export function emptyFileSystem(): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  return fs;
}

export function writeTable(
  fs: MemoryFileSystem,
  entries: readonly Entry[],
  options: Partial<TableWriterOptions> = {},
  id = 1,
): TableMetadata {
  using writer = new TableWriter(fs, DIRECTORY, id, { ...OPTIONS, ...options });
  for (const { key, record } of entries) writer.add(key, 0, key.length, record, 0, record.length);
  return writer.finish(1);
}

/** A table of these entries, written, loaded and open. */
export function tableOf(entries: readonly Entry[], options: Partial<TableWriterOptions> = {}): OpenTable {
  const fs = emptyFileSystem();
  return openTable(fs, writeTable(fs, entries, options));
}

export interface OpenTable {
  readonly fs: MemoryFileSystem;
  readonly metadata: TableMetadata;
  readonly reader: TableReader;
  readonly fd: number;
}

export function openTable(fs: MemoryFileSystem, metadata: TableMetadata): OpenTable {
  const handle = loadTable(fs, DIRECTORY, metadata);
  return { fs, metadata, reader: new TableReader(handle), fd: fs.openReadSync(handle.path) };
}

/** A cursor over the table in either order. */
export function cursorOf(
  { fs, reader }: OpenTable,
  readaheadBytes: number,
  isReverse: boolean,
): RecordIterator {
  return reader.cursor(fs, new DescriptorCache(fs, 1), readaheadBytes, new KeyBound(), isReverse);
}

/** The record of a key as a GET finds it: filter, index, block. */
export function lookUp({ fs, fd, reader }: OpenTable, key: Uint8Array): Uint8Array | undefined {
  if (!reader.mayContain(hashBytes(key, 0, key.length, reader.hashSeed))) return undefined;
  const ordinal = reader.findBlock(key, 0, key.length);
  if (ordinal < 0) return undefined;
  const memoryBytes = reader.blockMemoryBytes(ordinal);
  // Something stands before and after the block, as in a cache.
  const cache = new Uint8Array(new SharedArrayBuffer(memoryBytes + 20)).fill(0xee);
  assert.equal(reader.readBlock(fs, fd, ordinal, cache, 10), memoryBytes);
  assert.deepEqual([...cache.subarray(0, 10), ...cache.subarray(10 + memoryBytes)], Array(20).fill(0xee));
  const hit = { recordStart: 0, recordEnd: 0 };
  if (!searchBlock(cache, 10, 10 + memoryBytes, key, 0, key.length, hit)) return undefined;
  return cache.slice(hit.recordStart, hit.recordEnd);
}

export function keyAt(iterator: RecordIterator): Uint8Array {
  return iterator.keyBytes.slice(iterator.keyStart, iterator.keyEnd);
}

export function recordAt(iterator: RecordIterator): Uint8Array {
  return iterator.recordBytes.slice(iterator.recordStart, iterator.recordEnd);
}

/** Everything from where the iterator stands. */
export function drain(iterator: RecordIterator): Entry[] {
  const entries: Entry[] = [];
  for (; iterator.valid; iterator.next()) entries.push({ key: keyAt(iterator), record: recordAt(iterator) });
  return entries;
}

/** For comparing, and for reading what differs. */
export function printable(entries: readonly Entry[]): string[] {
  return entries.map(
    ({ key, record }) => `${Buffer.from(key).toString('hex')}=${Buffer.from(record).toString('hex')}`,
  );
}

export function sortedUnique(keys: readonly Uint8Array[]): Uint8Array[] {
  const byHex = new Map(keys.map((key) => [Buffer.from(key).toString('hex'), key]));
  return [...byHex.values()].sort(Buffer.compare);
}

/** Keys of few different bytes, so that they share prefixes, some long ones, and long ones that begin alike. */
export const arbitraryKey: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    fc.array(fc.constantFrom(0, 1, 0x61, 0x62, 0xff), { maxLength: 6 }),
    fc.array(fc.nat(255), { maxLength: 300, size: 'medium' }),
    fc
      .tuple(
        fc.constantFrom(5, 80, 300),
        fc.constantFrom(0x61, 0x62),
        fc.array(fc.constantFrom(1, 0x61, 0xff), { maxLength: 5 }),
      )
      .map(([length, byte, tail]) => [...new Array(length).fill(byte), ...tail]),
  )
  .map((bytes) => Uint8Array.from(bytes));

export const arbitraryEntries: fc.Arbitrary<Entry[]> = fc
  .array(fc.tuple(arbitraryKey, fc.uint8Array({ maxLength: 200 }), fc.nat(1000)), {
    minLength: 1,
    maxLength: 120,
  })
  .map((drawn) => {
    const byHex = new Map(drawn.map((entry) => [Buffer.from(entry[0]).toString('hex'), entry]));
    return [...byHex.values()]
      .sort((a, b) => Buffer.compare(a[0], b[0]))
      .map(([key, value, timestamp]) => ({ key, record: recordOf(value, timestamp) }));
  });

export const arbitraryOptions: fc.Arbitrary<TableWriterOptions> = fc.record({
  blockSizeBytes: fc.constantFrom(64, 300, 4096),
  restartInterval: fc.integer({ min: 1, max: 20 }),
  compression: fc.constantFrom('none', 'lz4', 'zstd'),
  zstdLevel: fc.constantFrom(1, 3),
  bloomBitsPerKey: fc.constantFrom(0, 1, 10, 20),
  hashSeed: fc.constant(HASH_SEED),
  slotVersions: fc.boolean(),
  fingerprintSeed: fc.constant(HASH_SEED),
});

/** Expects an LsmError of one of these codes that names the file and a place in it. */
export function assertDamage(
  act: () => unknown,
  file: string,
  lengthBytes: number,
  codes: readonly LsmErrorCode[] = ['CORRUPTION'],
): LsmError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof LsmError, `not an LsmError: ${error}`);
    assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
    assert.equal(error.file, file);
    assert.ok(error.offset !== undefined && error.offset >= 0 && error.offset <= lengthBytes, error.message);
    return error;
  }
  assert.fail('damage was not found');
}

/** Inputs that many cases share. They are drawn from one seed, so they are the same in every run on every machine. */
import { encodeRecord } from '../../native-free-lsm/format/record.ts';
import type { FileSystem } from '../../native-free-lsm/fs/file-system.ts';
import { MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { loadTable } from '../../native-free-lsm/sstable/load-table.ts';
import { TableReader } from '../../native-free-lsm/sstable/table-reader.ts';
import { TableWriter, type TableWriterOptions } from '../../native-free-lsm/sstable/table-writer.ts';
import { seededRandom } from '../../src/clock.ts';

export const SEED = 0x0b5e_55ed;
export const HASH_SEED = { low: SEED, high: ~SEED >>> 0 };
export const DIRECTORY = '/db';

/** The engine's defaults for upper levels. */
export const TABLE_OPTIONS: TableWriterOptions = {
  blockSizeBytes: 4096,
  restartInterval: 16,
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

/** `key000000`, `key000002`, …: ascending, without the odd numbers. */
export function evenKey(index: number): Buffer {
  return Buffer.from(`key${String(2 * index).padStart(6, '0')}`);
}

/** A key between two that are there. */
export function oddKey(index: number): Buffer {
  return Buffer.from(`key${String(2 * index + 1).padStart(6, '0')}`);
}

/** A value of 14 letters and digits that compresses like other short texts. */
export function recordOf(index: number, timestamp = index + 1): Uint8Array {
  const fields = { timestamp, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
  return encodeRecord(fields, Buffer.from(`value-${String(index).padStart(8, '0')}`));
}

/** In ascending order of keys. */
export function evenEntries(count: number): Entry[] {
  return Array.from({ length: count }, (_, index) => ({ key: evenKey(index), record: recordOf(index) }));
}

/** 0 to count - 1 in an order that neither a cache nor a branch predictor can guess. */
export function shuffledIndexes(count: number): Uint32Array {
  const random = seededRandom(SEED);
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

export function shuffled<Item>(items: readonly Item[]): Item[] {
  return Array.from(shuffledIndexes(items.length), (index) => items[index]);
}

export function randomBytes(length: number): Uint8Array {
  const random = seededRandom(SEED);
  return Uint8Array.from({ length }, () => random() * 256);
}

export function inSharedMemory(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}

export function sumOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  let sum = 0;
  for (const item of items) sum += of(item);
  return sum;
}

export function emptyFileSystem(): FileSystem {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  return fs;
}

/** Opens a table of these entries in a file system in memory. */
export function openTable(
  entries: readonly Entry[],
  options: TableWriterOptions,
): { fs: FileSystem; reader: TableReader; fd: number } {
  const fs = emptyFileSystem();
  using writer = new TableWriter(fs, DIRECTORY, 1, options);
  for (const { key, record } of entries) writer.add(key, 0, key.length, record, 0, record.length);
  const handle = loadTable(fs, DIRECTORY, writer.finish(1));
  return { fs, reader: new TableReader(handle), fd: fs.openReadSync(handle.path) };
}

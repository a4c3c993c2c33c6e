/**
 * A small folder with every kind of file that an engine makes, and what an engine does with it after one byte has
 * changed: open, read every key, scan, compact, read again, verify. It is deterministic: one thread, and a clock that
 * the test moves.
 */
import assert from 'node:assert/strict';
import { clearRange } from '../../native-free-lsm/clear-range.ts';
import {
  type EngineOptions,
  encodeRecord,
  isTombstone,
  LsmError,
  type Page,
  type RecordStore,
  slotOf,
} from '../../native-free-lsm/index.ts';
import { listFolder } from '../../native-free-lsm/offline/folder.ts';
import { type VerifyReport, verifyFolder } from '../../native-free-lsm/offline/verify.ts';
import { MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { readResult, writeRecordTo } from './engine-calls.ts';
import { EngineSimulation } from './engine-simulation.ts';
import { pageEntries } from './page-entries.ts';

export const DIRECTORY = '/db';

/** Blocks with a few entries each, so that little data makes many of them. */
export const SMALL: Partial<EngineOptions> = {
  maxRecordBytes: 4096,
  memtableBytes: 64 * 1024,
  blockCacheBytes: 4096,
  blockSizeBytes: 128,
  bottomBlockSizeBytes: 300,
  bottomCompression: 'zstd',
  restartInterval: 2,
  targetFileBytes: 64 * 1024,
  baseLevelBytes: 1024 * 1024,
  l0CompactionTables: 8,
  maxCompactionBytes: 256 * 1024,
  dropTombstonesBelow: 0,
  fingerprintSeed: { low: 0, high: 0 },
};

export type Files = ReadonlyMap<string, Uint8Array>;
/** By key, the record in hexadecimal; null: a range was deleted that has it. */
export type Contents = ReadonlyMap<string, string | null>;

export interface SampleFolder {
  readonly files: Files;
  readonly contents: Contents;
  /** The contents without what only the log has, batch by batch: `[0]` has no batch. */
  readonly afterBatches: readonly Contents[];
  /** Every record that was ever written, in hexadecimal. */
  readonly written: ReadonlySet<string>;
}

/** Later than the wall clock of every test: nothing has expired yet. */
const EXPIRY_MS = 4_000_000_000_000;

/**
 * A zstd table in the last level; a table in level 0 above it that overwrites and deletes some of it, also by range
 * tombstones; a log of several batches that does the same; and the manifest of all that.
 * @param isClosed if false, its engine was killed, and its log and manifest have no mark of a clean close
 */
export async function sampleFolder(isClosed: boolean): Promise<SampleFolder> {
  const simulation = new EngineSimulation(SMALL);
  const store = simulation.openStore();
  const contents = new Map<string, string | null>();
  const written = new Set<string>();
  let timestamp = 1000;
  const write = async (key: string, value: string | null, expiryMs = 0): Promise<void> => {
    const fields = { timestamp: timestamp++, writer: 7, tombstone: value === null, from: 3, expiryMs };
    const record = encodeRecord(fields, Buffer.from(value ?? ''));
    await simulation.settle(writeRecordTo(store, Buffer.from(key), record));
    contents.set(key, Buffer.from(record).toString('hex'));
    written.add(Buffer.from(record).toString('hex'));
  };
  const clear = async (start: string, end: string): Promise<void> => {
    const range = { start: Buffer.from(start), end: Buffer.from(end) };
    await simulation.settle(
      clearRange(
        store,
        range,
        timestamp++,
        { take: () => assert.fail(), passed: () => assert.fail() },
        false,
      ),
    );
    for (const key of contents.keys()) if (key >= start && key < end) contents.set(key, null);
  };
  for (const key of ['nothing1', 'nothing2', 'open1', 'open2', 'open3']) await write(key, 'deleted soon');
  for (let i = 10; i < 32; i++) {
    await write(`key${i}`, i % 7 === 0 ? null : `value ${i} `.repeat(4), i % 5 === 0 ? EXPIRY_MS : 0);
  }
  await simulation.settle(store.flush());
  // Two tables that overlap, because a single one would be moved down unchanged and uncompressed.
  for (let i = 10; i < 32; i += 4) await write(`key${i}`, `second ${i} `.repeat(4));
  await simulation.settle(store.compact());
  for (let i = 12; i < 32; i += 3) await write(`key${i}`, i % 2 === 0 ? null : `newer ${i}`);
  await write('above', 'everything');
  await clear('open', 'open3');
  await clear('open3', 'open4');
  await write('open2', 'again');
  await simulation.settle(store.flush());
  const afterBatches: Contents[] = [new Map(contents)];
  for (const [key, value] of [
    ['key10', 'newest'],
    ['key11', null],
    ['late', 'comer'],
    ['nothing', 'open'],
    ['key31', 'the last'],
  ] as const) {
    if (key === 'nothing') await clear(key, value as string);
    else await write(key, value);
    afterBatches.push(new Map(contents));
  }
  if (isClosed) await simulation.settle(store.close());
  const files = filesOf(simulation.fs.crash({ bytes: 'kept', names: 'kept' }));
  return { files, contents, afterBatches, written };
}

export function filesOf(fs: MemoryFileSystem): Files {
  const files = new Map<string, Uint8Array>();
  for (const name of fs.listSync(DIRECTORY).sort()) {
    if (name !== 'LOCK' && name !== 'lost') files.set(name, fs.contents(`${DIRECTORY}/${name}`));
  }
  return files;
}

export function placeFiles(files: Files): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  for (const [name, bytes] of files) fs.place(`${DIRECTORY}/${name}`, bytes);
  return fs;
}

export interface Outcome {
  /** The errors that any of the steps found. */
  readonly errors: readonly LsmError[];
  /** Damage that the engine got around, and shows as a condition. */
  readonly conditions: readonly string[];
  /** Every key that any of the steps read without an error; null: it was not there. */
  readonly read: readonly { readonly key: string; readonly record: string | null }[];
  /** What the engine reported to its operator. */
  readonly reports: readonly string[];
}

/** Opens the folder, reads each of `keys` and what their slots hold, scans, compacts, and does it once more. Errors are collected. */
export async function useFolder(fs: MemoryFileSystem, keys: readonly string[]): Promise<Outcome> {
  const simulation = new EngineSimulation(SMALL, fs);
  const errors: LsmError[] = [];
  const conditions: string[] = [];
  const read: { key: string; record: string | null }[] = [];
  const note = (error: unknown): void => {
    if (!(error instanceof LsmError)) throw error;
    errors.push(error);
  };
  let store: RecordStore;
  try {
    store = simulation.openStore();
  } catch (error) {
    note(error);
    return { errors, conditions: [], read, reports: simulation.reports };
  }
  const slots = Uint16Array.from(new Set(keys.map((key) => slotOf(Buffer.from(key)))));
  const minFroms = new Uint8Array(slots.length).fill(1);
  for (const isCompacted of [false, true]) {
    if (isCompacted) await simulation.settle(store.compact()).catch(note);
    for (const key of keys) {
      const { error, record } = await simulation.settle(readResult(store, Buffer.from(key)));
      if (error !== null) note(error);
      else read.push({ key, record: record === null ? null : Buffer.from(record).toString('hex') });
    }
    await simulation.settle(store.slotDigests(slots, minFroms)).catch(note);
    conditions.push(...store.stats().conditions.map(({ message }) => message));
    const found = await simulation.settle(scan(store)).catch(note);
    if (found === undefined) continue;
    for (const key of keys) read.push({ key, record: found.get(key) ?? null });
  }
  await simulation.settle(store.close()).catch(note);
  return { errors, conditions, read, reports: simulation.reports };
}

async function scan(store: RecordStore): Promise<Contents> {
  const found = new Map<string, string>();
  let page: Page | undefined;
  do {
    page = await store.rangePage({
      start: page?.resumeAt ?? new Uint8Array(0),
      end: null,
      maxBytes: 1024,
      maxEntries: 7,
      includeTombstones: true,
      encoder: 0,
      nowMs: 0,
    });
    for (const [key, record] of pageEntries(page)) found.set(key.toString(), record.toString('hex'));
  } while (page.resumeAt !== null);
  return found;
}

/** What `verify` says of a folder; it may change nothing. */
export function verifyFiles(fs: MemoryFileSystem): VerifyReport {
  const before = filesOf(fs);
  const report = runToEnd(verifyFolder(fs, DIRECTORY));
  assert.deepEqual(filesOf(fs), before);
  return report;
}

export function runToEnd<Result>(steps: Generator<unknown, Result, void>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** How many keys are deleted. */
export function tombstonesOf(contents: Contents): number {
  const isDeleted = (record: string | null): boolean =>
    record === null || isTombstone(Buffer.from(record, 'hex'), 0);
  return [...contents.values()].filter(isDeleted).length;
}

export function tableNames(fs: MemoryFileSystem): string[] {
  return listFolder(fs, DIRECTORY).tables.map((id) => `${String(id).padStart(6, '0')}.sst`);
}

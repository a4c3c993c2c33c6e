/**
 * The engine's only door: `open` a directory for the calls with promises, `openReadOnly` one that another process
 * writes, or `RecordStore.open` for callers that bring their own versions and answer thousands of requests a second.
 */
import './supported-runtime.ts';
import { Engine } from './engine.ts';
import { EngineReader } from './engine-reader.ts';
import type { DestroyOptions } from './offline/destroy.ts';
import type { RepairOptions, RepairPlan } from './offline/repair.ts';

export { CallTable, MAX_TAG } from './call-table.ts';
export { drawHashSeed, type EngineClock } from './clock.ts';
export { Engine } from './engine.ts';
export { EngineReader } from './engine-reader.ts';
export { LsmError, type LsmErrorCode } from './errors.ts';
export { compareBytes, copyBytes } from './format/bytes.ts';
export { Fingerprinter } from './format/fingerprint.ts';
export type { GivenBytes } from './format/given-bytes.ts';
export { type HashSeed, hashBytes } from './format/hash.ts';
export { murmur3, spreadBits } from './format/murmur3.ts';
export * from './format/record.ts';
export { SLOT_COUNT, slotOf } from './format/slot.ts';
export * from './format/timestamp.ts';
export type { FileStatus, FileSystem } from './fs/file-system.ts';
export { NodeFileSystem } from './fs/node-fs.ts';
export type { EntryEncoder } from './iterator/entry-encoder.ts';
export { type KeyBounds, keyBehind } from './iterator/key-range.ts';
export type { PackedPiece } from './iterator/packed-iterator.ts';
export { Page } from './iterator/page.ts';
export { PageBuilder, pageEntryBytes } from './iterator/page-builder.ts';
export { BulkLoad, BulkTable, type TableMetadata } from './offline/bulk-loader.ts';
export type { DestroyOptions } from './offline/destroy.ts';
export type {
  Damage,
  DumpedRecord,
  DumpItem,
  FolderStat,
  KeyRange,
  LevelStat,
  LiveSums,
  LogStat,
  Progress,
  TableSums,
  VerifyReport,
} from './offline/index.ts';
export type { RepairOptions, RepairPlan } from './offline/repair.ts';
export { DEFAULT_OPTIONS, type Durability, type EngineOptions, type WhenFull } from './options.ts';
export { type Entry, type RangeOptions, RangeScan } from './range-scan.ts';
export type { Snapshot, VersionedValue } from './readable-engine.ts';
export { ENGINE_WAITS, WaitPlace } from './shared/main-waits.ts';
export { bucketEndMicros, type SiteWaits, WAIT_BUCKETS } from './shared/wait-figures.ts';
export { addFold, isUncounted, PURGEABLE } from './slots/fold.ts';
export { SlotRows } from './slots/slot-rows.ts';
export { SlotSet } from './slots/slot-set.ts';
export type { SlotVersions } from './slots/slot-versions.ts';
export type { EngineCondition } from './store/conditions.ts';
export type { Environment } from './store/environment.ts';
export type { IngestRequest } from './store/ingestion.ts';
export type { ReaderOptions } from './store/reader-options.ts';
export {
  type DirectBatch,
  type InPlaceSink,
  type KeyCondition,
  type KeyedRecord,
  type ReadSink,
  type WriteSink,
  WriteStatus,
} from './store/sinks.ts';
export type { EngineStats } from './store/stats.ts';
export { RecordStore } from './store/store.ts';
export type {
  EngineThread,
  EngineThreads,
  ThreadHandle,
  ThreadWaits,
} from './threads/engine-threads.ts';
export type { Executor, ExecutorContext, ExecutorFactory, RoleHandle } from './threads/executor.ts';
export type { PageRequest, ScanPageRequest } from './threads/protocol/reader-messages.ts';
export type {
  BatchOperation,
  ConditionalResult,
  KeyOperation,
  PutOptions,
  WriteCondition,
  WriteOptions,
} from './write-requests.ts';

/**
 * Opens a directory for one engine, making it if necessary, and recovers what it holds. Close what you have opened.
 * @param options see EngineOptions; what is left out is as DEFAULT_OPTIONS has it
 * @param environment clock, file system and threads of the caller's own, for tests and simulations
 * @throws LsmError LOCKED: another engine has it open; FOREIGN_DIRECTORY, NOT_FOUND, CORRUPTION, UNSUPPORTED_FORMAT,
 *   NO_SPACE, IO_ERROR, INVALID_ARGUMENT
 */
export const open = Engine.open;
/**
 * Opens a directory to be read beside the engine that writes it, in this process or another. It takes no lock and writes
 * nothing there. Close what you have opened.
 * @param options see ReaderOptions
 * @param environment clock, file system and threads of the caller's own, for tests and simulations
 * @throws LsmError NOT_FOUND: there is no such directory, or no engine has stored anything there yet; CHANGING: try
 *   again; FOREIGN_DIRECTORY, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR, OVERLOADED, INVALID_ARGUMENT
 */
export const openReadOnly = EngineReader.open;

/**
 * The tools that read directories file by file. They are loaded when they are asked for, so that a node does not
 * pay for them.
 */
export function loadOfflineTools(): Promise<typeof import('./offline/index.ts')> {
  return import('./offline/index.ts');
}

/**
 * Finds the damage in a directory that no engine has open, reading every byte, and says what a repair would do and
 * drop; does it with `apply`. Every file that is replaced is kept in `lost/`.
 * @throws LsmError NOT_FOUND, FOREIGN_DIRECTORY: there is no engine, and nothing was touched; LOCKED;
 *   UNSUPPORTED_FORMAT, IO_ERROR: nothing was repaired; NO_SPACE, POISONED: try again
 */
export async function repair(directory: string, options: RepairOptions = {}): Promise<RepairPlan> {
  const { repairFolder } = await import('./offline/repair.ts');
  return repairFolder(directory, options);
}

/**
 * Removes an engine's directory: its own files, those that repairs have put aside, and the directory itself if nothing
 * else is in it. Files of others stay, and a link goes without what it leads to. A missing directory is no error. A
 * destroy that was cut short may be repeated; until then an opening refuses what is left.
 * @throws LsmError LOCKED: it is open; FOREIGN_DIRECTORY: it is no engine's, and nothing was removed; READ_ONLY,
 *   IO_ERROR: something is left; INVALID_ARGUMENT
 */
export async function destroy(directory: string, options: DestroyOptions = {}): Promise<void> {
  const { destroyFolder } = await import('./offline/destroy.ts');
  return destroyFolder(directory, options);
}

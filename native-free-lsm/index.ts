/**
 * The engine's only door: `open` a directory for the calls with promises, or `RecordStore.open` for those who
 * bring versions of their own and answer thousands of requests a second.
 */
import { Engine } from './engine.ts';
import type { RepairOptions, RepairPlan } from './repair.ts';

export { BulkLoad, BulkTable, type TableMetadata } from './bulk-loader.ts';
export { drawHashSeed, type EngineClock } from './clock.ts';
export { type BatchOperation, Engine, type Entry, type RangeOptions, type Snapshot } from './engine.ts';
export { LsmError, type LsmErrorCode } from './errors.ts';
export type { Executor, ExecutorContext, ExecutorFactory, RoleHandle } from './executor.ts';
export { compareBytes, copyBytes } from './format/bytes.ts';
export { type HashSeed, hashBytes } from './format/hash.ts';
export * from './format/record.ts';
export type { FileSystem } from './fs/file-system.ts';
export { NodeFileSystem } from './fs/node-fs.ts';
export { InlineExecutor } from './inline-executor.ts';
export type { Framing } from './iterator/framing.ts';
export { Page } from './iterator/page.ts';
export { PageBuilder, pageEntryBytes } from './iterator/page-builder.ts';
export type { EngineCondition } from './main/conditions.ts';
export type { Environment } from './main/environment.ts';
export type { PageRequest } from './main/read-lane.ts';
export { type KeyedRecord, type ReadSink, type WriteSink, WriteStatus } from './main/sinks.ts';
export type { EngineStats } from './main/stats.ts';
export { RecordStore } from './main/store.ts';
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
} from './offline.ts';
export { DEFAULT_OPTIONS, type Durability, type EngineOptions } from './options.ts';
export type { RepairOptions, RepairPlan } from './repair.ts';

export const open = Engine.open;

/** The tools for directories that no engine has open; loaded when asked for, so that a node does not pay for them. */
export function loadOfflineTools(): Promise<typeof import('./offline.ts')> {
  return import('./offline.ts');
}

/**
 * Finds what is damaged in a directory that no engine has open, reading every byte, and tells what a repair would
 * do and drop; does it with `apply`. Every file that is replaced is kept in `lost/`.
 * @throws LsmError LOCKED; UNSUPPORTED_FORMAT, IO_ERROR: nothing was repaired; NO_SPACE, POISONED: try again
 */
export async function repair(directory: string, options: RepairOptions = {}): Promise<RepairPlan> {
  const { repairFolder } = await import('./repair.ts');
  return repairFolder(directory, options);
}

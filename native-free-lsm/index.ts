/**
 * The engine's only door: `open` a directory for the calls with promises, or `RecordStore.open` for those who
 * bring versions of their own and answer thousands of requests a second.
 */
import { Engine } from './engine.ts';

export { BulkLoad, BulkTable, type TableMetadata } from './bulk-loader.ts';
export type { EngineClock } from './clock.ts';
export { type BatchOperation, Engine, type Entry, type RangeOptions, type Snapshot } from './engine.ts';
export { LsmError, type LsmErrorCode } from './errors.ts';
export type { Executor, ExecutorContext, ExecutorFactory, RoleHandle } from './executor.ts';
export { compareBytes, copyBytes, hashBytes } from './format/bytes.ts';
export * from './format/record.ts';
export type { FileSystem } from './fs/file-system.ts';
export { NodeFileSystem } from './fs/node-fs.ts';
export { InlineExecutor } from './inline-executor.ts';
export { Page, packPage } from './iterator/page.ts';
export type { PageRequest } from './main/read-lane.ts';
export { type KeyedRecord, type ReadSink, type WriteSink, WriteStatus } from './main/sinks.ts';
export type { EngineStats } from './main/stats.ts';
export { type Environment, RecordStore } from './main/store.ts';
export { DEFAULT_OPTIONS, type Durability, type EngineOptions } from './options.ts';

export const open = Engine.open;

import { LsmError } from './errors.ts';
import { MAX_TIMESTAMP } from './format/record.ts';
import type { TableWriterOptions } from './sstable/table-writer.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export type Durability =
  /** A write is acknowledged after an fdatasync that covers it; writes that wait together share one. */
  | 'sync'
  /** Acknowledged once handed to the system; synced every `syncIntervalMs`. A power cut loses that much. */
  | 'interval'
  /** Acknowledged once handed to the system; synced when the system likes. A killed process loses nothing. */
  | 'none';

/** Everything that can be set when an engine is opened. Sizes in bytes, times in ms. */
export interface EngineOptions {
  readonly durability: Durability;
  readonly syncIntervalMs: number;
  /** Largest key and value together, with room to spare: rings are sized by it. */
  readonly maxRecordBytes: number;
  /** Arena of one memtable. A flush makes about one table of this size. */
  readonly memtableBytes: number;
  /** Memtables that may wait for their flush; beyond it writes wait. */
  readonly maxSealedMemtables: number;
  /** How long a write waits for room before it fails with OVERLOADED. */
  readonly writeStallTimeoutMs: number;
  /** Writes that wait in the main thread's memory because the writer's ring is full. */
  readonly maxQueuedWriteBytes: number;
  readonly blockCacheBytes: number;
  /** Long-lived threads that search the disk. */
  readonly readers: number;
  /** Files each thread keeps open. */
  readonly maxOpenFilesPerThread: number;
  readonly blockSizeBytes: number;
  /** Block size and compression of the deepest level that holds data, where most of it lies. */
  readonly bottomBlockSizeBytes: number;
  readonly bottomCompression: 'none' | 'zstd';
  readonly zstdLevel: number;
  readonly restartInterval: number;
  readonly bloomBitsPerKey: number;
  readonly targetFileBytes: number;
  /** Level-0 tables that start a compaction, slow writes down, and stop them. */
  readonly l0CompactionTables: number;
  readonly l0SlowdownTables: number;
  readonly l0StopTables: number;
  readonly baseLevelBytes: number;
  readonly levelMultiplier: number;
  /** Input of one compaction, so that none runs long. */
  readonly maxCompactionBytes: number;
  readonly maxBackgroundJobs: number;
  /**
   * Deletions older than this timestamp may be forgotten once nothing older can come back. A replicated node
   * says 0, never: another replica may still hold what was deleted.
   */
  readonly dropTombstonesBelow: number;
}

export const DEFAULT_OPTIONS: EngineOptions = {
  durability: 'sync',
  syncIntervalMs: 100,
  maxRecordBytes: MIB + 8 * KIB,
  memtableBytes: 32 * MIB,
  maxSealedMemtables: 3,
  writeStallTimeoutMs: 1000,
  maxQueuedWriteBytes: 64 * MIB,
  blockCacheBytes: 64 * MIB,
  readers: 1,
  maxOpenFilesPerThread: 256,
  blockSizeBytes: 4 * KIB,
  bottomBlockSizeBytes: 16 * KIB,
  bottomCompression: 'zstd',
  zstdLevel: 1,
  restartInterval: 16,
  bloomBitsPerKey: 10,
  targetFileBytes: 32 * MIB,
  l0CompactionTables: 4,
  l0SlowdownTables: 12,
  l0StopTables: 24,
  baseLevelBytes: 128 * MIB,
  levelMultiplier: 10,
  maxCompactionBytes: 256 * MIB,
  maxBackgroundJobs: 2,
  dropTombstonesBelow: MAX_TIMESTAMP,
};

/** @throws LsmError INVALID_ARGUMENT naming the first option that makes no sense */
export function completeOptions(given: Partial<EngineOptions>): EngineOptions {
  const options = { ...DEFAULT_OPTIONS, ...given };
  const atLeast = (name: keyof EngineOptions, least: number): void => {
    const value = options[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
      throw new LsmError('INVALID_ARGUMENT', `${name} must be a whole number of at least ${least}, not ${value}`);
    }
  };
  atLeast('syncIntervalMs', 1);
  atLeast('maxRecordBytes', 1);
  atLeast('memtableBytes', 64 * KIB);
  atLeast('maxSealedMemtables', 1);
  atLeast('writeStallTimeoutMs', 0);
  atLeast('maxQueuedWriteBytes', 0);
  atLeast('blockCacheBytes', 0);
  atLeast('readers', 1);
  atLeast('maxOpenFilesPerThread', 16);
  atLeast('blockSizeBytes', 64);
  atLeast('bottomBlockSizeBytes', 64);
  atLeast('restartInterval', 1);
  atLeast('bloomBitsPerKey', 0);
  atLeast('targetFileBytes', 4 * KIB);
  atLeast('l0CompactionTables', 1);
  atLeast('l0SlowdownTables', options.l0CompactionTables);
  atLeast('l0StopTables', options.l0SlowdownTables);
  atLeast('baseLevelBytes', 4 * KIB);
  atLeast('levelMultiplier', 2);
  atLeast('maxCompactionBytes', options.targetFileBytes);
  atLeast('maxBackgroundJobs', 1);
  atLeast('dropTombstonesBelow', 0);
  if (options.maxRecordBytes * 2 > options.memtableBytes) {
    throw new LsmError(
      'INVALID_ARGUMENT',
      `memtableBytes (${options.memtableBytes}) must be at least twice maxRecordBytes (${options.maxRecordBytes})`,
    );
  }
  return options;
}

/** How tables of a level are written: plain small blocks above, larger compressed ones at the bottom. */
export function tableOptions(options: EngineOptions, bottommost: boolean): TableWriterOptions {
  return {
    blockSizeBytes: bottommost ? options.bottomBlockSizeBytes : options.blockSizeBytes,
    restartInterval: options.restartInterval,
    compression: bottommost ? options.bottomCompression : 'none',
    zstdLevel: options.zstdLevel,
    bloomBitsPerKey: options.bloomBitsPerKey,
  };
}

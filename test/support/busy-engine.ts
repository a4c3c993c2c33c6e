/** Settings and traffic of a real engine whose flushes and compactions never end, and whose reads go to the disk. */
import type { EngineOptions } from '../../native-free-lsm/index.ts';
import type { TrafficOptions } from './engine-traffic.ts';

const KIB = 1024;

export const BUSY_OPTIONS: Partial<EngineOptions> = {
  durability: 'none',
  // On any machine; tests of one thread say so.
  singleThread: false,
  maxRecordBytes: 64 * KIB,
  memtableBytes: 256 * KIB,
  blockCacheBytes: 256 * KIB,
  targetFileBytes: 64 * KIB,
  baseLevelBytes: 256 * KIB,
  levelMultiplier: 4,
  maxCompactionBytes: 512 * KIB,
  // A busy machine, and threads that died and are replaced in their time: nothing here is about overload.
  writeStallTimeoutMs: 30_000,
};

export const BUSY_TRAFFIC = {
  callers: 16,
  keysPerCaller: 40,
  deleteShare: 0.15,
  maxValueBytes: 3000,
  largeBatchBytes: 100 * KIB,
} as const satisfies Partial<TrafficOptions>;

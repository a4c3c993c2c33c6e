import {
  arrayFault,
  booleanFault,
  describe,
  fieldsFault,
  invalidArgument,
  refuse,
  seedFault,
} from './arguments.ts';
import { LsmError } from './errors.ts';
import type { HashSeed } from './format/hash.ts';
import { SLOT_COUNT } from './format/slot.ts';
import { MAX_TIMESTAMP } from './format/timestamp.ts';
import { MAX_ARENA_BYTES } from './memtable/arena-layout.ts';
import { GENERATION_SLOTS, MAX_COUNTED_THREADS } from './shared/control.ts';
import { Compression, type CompressionName } from './sstable/block-codec.ts';
import type { TableWriterOptions } from './sstable/table-writer.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** When a write is acknowledged: how much a power cut or a killed process may take of what was. */
export type Durability =
  /** A write is acknowledged after an fdatasync that covers it; writes that wait together share one. */
  | 'sync'
  /**
   * A write is acknowledged once the system has it, and synced within `syncIntervalMs`. A power cut loses that much.
   */
  | 'interval'
  /**
   * A write is acknowledged once the system has it, and synced when the system does so. A killed process loses nothing.
   */
  | 'none';

/** What becomes of a write while there is no room for it: memtables wait for their flush, and queues are full. */
export type WhenFull =
  /**
   * It waits until there is room; only while what it waits for fails, a flush or the manifest say, it fails with
   * OVERLOADED after `writeStallTimeoutMs`. `Engine.open` begins so.
   */
  | 'wait'
  /**
   * It fails with OVERLOADED: at once when `maxQueuedWriteBytes` wait already, otherwise after `writeStallTimeoutMs`.
   * `RecordStore.open` begins so, and with either refuses what has no room in its queue, as it has no promises to wait
   * with.
   */
  | 'refuse';

/** Everything that can be set when an engine is opened. Sizes are in bytes, times in ms. */
export interface EngineOptions {
  /** Whether a missing or empty directory becomes a new engine; if not, it is refused with NOT_FOUND. */
  readonly createIfMissing: boolean;
  readonly durability: Durability;
  readonly syncIntervalMs: number;
  /** The largest key and value together, with some room to spare: rings are sized by it. */
  readonly maxRecordBytes: number;
  /**
   * The largest batch that goes through log and memtable, with 8 bytes for each of its writes. Rings are sized by it as
   * well.
   */
  readonly maxBatchBytes: number;
  /** The size of a memtable's arena. A flush makes about one table of this size. */
  readonly memtableBytes: number;
  /** How many memtables may wait for their flush; beyond this, writes wait. */
  readonly maxSealedMemtables: number;
  readonly whenFull: WhenFull;
  /** How long a write waits for room before it fails with OVERLOADED; with `whenFull: 'wait'` see there. */
  readonly writeStallTimeoutMs: number;
  /** How many bytes of writes may wait in the main thread's memory because the writer's ring is full. */
  readonly maxQueuedWriteBytes: number;
  /** How many bytes of reads may wait in the main thread's memory because the readers' rings are full. */
  readonly maxQueuedReadBytes: number;
  /** For blocks of tables that were read, and, a sixth of it, for where the keys of gets were found in them. */
  readonly blockCacheBytes: number;
  /** The number of long-lived threads that search the disk. */
  readonly readers: number;
  /**
   * One thread writes, searches the disk, flushes and compacts, in turns, where there are at least three otherwise: it
   * takes less memory, and everything waits longer for everything else. There is one reader then. Null: where the
   * program has one or two processors, which several threads would take from its own, unless `readers` is above 1 or
   * `durability` is `sync`, as reads would wait for the syncs of the log; compactions that do not keep up have another
   * then, which they do not with true.
   */
  readonly singleThread: boolean | null;
  /** Modules that encode pages of a scan: `file:` URLs, see iterator/entry-encoder.ts. */
  readonly entryEncoders: readonly string[];
  /** How many files each thread keeps open. */
  readonly maxOpenFilesPerThread: number;
  readonly blockSizeBytes: number;
  /** Of all levels but the deepest that holds data. */
  readonly compression: CompressionName;
  /** Block size, compression and filters of the deepest level that holds data, where most of the data is. */
  readonly bottomBlockSizeBytes: number;
  readonly bottomCompression: CompressionName;
  readonly zstdLevel: number;
  readonly bottomBloomBitsPerKey: number;
  readonly restartInterval: number;
  /** The filters of the levels above: a key meets several such tables, and they hold little. */
  readonly bloomBitsPerKey: number;
  readonly targetFileBytes: number;
  /** How many level-0 tables start a compaction, slow writes down, and stop them. */
  readonly l0CompactionTables: number;
  readonly l0SlowdownTables: number;
  readonly l0StopTables: number;
  /** The largest size of the level into which level 0 is merged; see compaction/picker.ts for the others. */
  readonly baseLevelBytes: number;
  readonly levelMultiplier: number;
  /** The most input of one compaction, so that none runs long. */
  readonly maxCompactionBytes: number;
  readonly maxBackgroundJobs: number;
  /**
   * Besides at every opening, a manifest begins anew when it has grown to this or to four times its snapshot, whichever
   * is larger.
   */
  readonly maxManifestBytes: number;
  /**
   * Deletions older than this timestamp may be dropped once nothing older can come back. A replicated node says 0,
   * never: another replica may still hold what was deleted.
   */
  readonly dropTombstonesBelow: number;
  /**
   * The seed of keys' fingerprints, see format/fingerprint.ts. Engines whose slots are compared need the same, and one
   * that finds a table with another reads all of it where a few bytes would do. Null: that of the tables, if they have
   * one that is not zero. Where there is none, and no `watermarks`, tables get no slot versions, which take 12 to 14 bytes
   * a record, unless values expire in them: slots can be compared all the same, by reading everything.
   */
  readonly fingerprintSeed: HashSeed | null;
  /**
   * A timestamp for each slot, 65,536 float64: deletions and expired values of the slot with this or a smaller one may
   * be dropped once nothing older can come back, whatever `dropTombstonesBelow` says. The thread that opens the engine
   * alone writes them, and only ever raises one. Null: there are none.
   */
  readonly watermarks: SharedArrayBuffer | null;
}

/**
 * Every option as it is when nobody sets it. `maxBatchBytes` follows from a smaller memtable or a larger record.
 */
export const DEFAULT_OPTIONS: EngineOptions = {
  createIfMissing: true,
  durability: 'sync',
  syncIntervalMs: 100,
  maxRecordBytes: MIB + 8 * KIB,
  maxBatchBytes: 3 * MIB,
  memtableBytes: 8 * MIB,
  maxSealedMemtables: 2,
  whenFull: 'refuse',
  writeStallTimeoutMs: 1000,
  maxQueuedWriteBytes: 64 * MIB,
  maxQueuedReadBytes: 64 * MIB,
  blockCacheBytes: 16 * MIB,
  readers: 1,
  singleThread: null,
  entryEncoders: [],
  maxOpenFilesPerThread: 256,
  blockSizeBytes: 4 * KIB,
  compression: 'lz4',
  bottomBlockSizeBytes: 4 * KIB,
  bottomCompression: 'lz4',
  zstdLevel: 1,
  bottomBloomBitsPerKey: 10,
  restartInterval: 16,
  bloomBitsPerKey: 16,
  targetFileBytes: 32 * MIB,
  l0CompactionTables: 6,
  l0SlowdownTables: 16,
  l0StopTables: 32,
  baseLevelBytes: 128 * MIB,
  levelMultiplier: 10,
  maxCompactionBytes: 256 * MIB,
  maxBackgroundJobs: 2,
  maxManifestBytes: MIB,
  dropTombstonesBelow: MAX_TIMESTAMP,
  fingerprintSeed: null,
  watermarks: null,
};

/** @throws LsmError INVALID_ARGUMENT that names the first option that makes no sense */
export function completeOptions(given: Partial<EngineOptions>): EngineOptions {
  refuse(fieldsFault('options', given, Object.keys(DEFAULT_OPTIONS)));
  // An option that is given as undefined counts as left out.
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options: EngineOptions = { ...DEFAULT_OPTIONS, ...batchDefault(chosen), ...chosen };
  for (const [name, [least, most]] of Object.entries(BOUNDS))
    checkNumber(options, name as NumericOption, least, most);
  checkNumber(options, 'l0SlowdownTables', options.l0CompactionTables);
  checkNumber(options, 'l0StopTables', options.l0SlowdownTables);
  checkNumber(options, 'maxCompactionBytes', options.targetFileBytes);
  checkOneOf(options, 'durability', ['sync', 'interval', 'none']);
  checkOneOf(options, 'compression', Object.keys(Compression));
  checkOneOf(options, 'bottomCompression', Object.keys(Compression));
  checkOneOf(options, 'whenFull', ['wait', 'refuse']);
  refuse(booleanFault('createIfMissing', options.createIfMissing));
  if (options.singleThread !== null) refuse(booleanFault('singleThread', options.singleThread));
  if (options.singleThread === true && options.readers !== 1)
    throw invalidArgument(`readers must be 1 with singleThread, not ${options.readers}`);
  if (options.fingerprintSeed !== null) refuse(seedFault('fingerprintSeed', options.fingerprintSeed));
  refuse(watermarksFault(options.watermarks));
  refuse(arrayFault('entryEncoders', options.entryEncoders));
  for (const address of options.entryEncoders) {
    if (!URL.canParse(address) || new URL(address).protocol !== 'file:') {
      throw new LsmError(
        'INVALID_ARGUMENT',
        `entryEncoders must be file: URLs of modules, not ${describe(address)}`,
      );
    }
  }
  if (options.memtableBytes % 8 !== 0) {
    throw new LsmError(
      'INVALID_ARGUMENT',
      `memtableBytes must be a multiple of 8, not ${options.memtableBytes}`,
    );
  }
  if (options.maxRecordBytes * 2 > options.memtableBytes) {
    throw new LsmError(
      'INVALID_ARGUMENT',
      `memtableBytes (${options.memtableBytes}) must be at least twice maxRecordBytes (${options.maxRecordBytes})`,
    );
  }
  checkNumber(options, 'maxBatchBytes', options.maxRecordBytes);
  if (options.maxBatchBytes * 2 > options.memtableBytes) {
    throw invalidArgument(
      `memtableBytes (${options.memtableBytes}) must be at least twice maxBatchBytes (${options.maxBatchBytes})`,
    );
  }
  return options;
}

/** With so many, main and one other thread have them all. */
const FEW_PROCESSORS = 2;

/** Whether an engine has one thread for everything on a machine of so many processors. */
export function isSingleThread(
  { durability, readers, singleThread }: EngineOptions,
  processors: number,
): boolean {
  return singleThread ?? (processors <= FEW_PROCESSORS && readers === 1 && durability !== 'sync');
}

/** The default for batches: as large as the memtable allows that has to hold one, up to a bound. */
function batchDefault({ maxRecordBytes, memtableBytes }: Partial<EngineOptions>): Partial<EngineOptions> {
  const half = Math.floor((memtableBytes ?? DEFAULT_OPTIONS.memtableBytes) / 2);
  const most = Math.min(DEFAULT_OPTIONS.maxBatchBytes, half);
  return { maxBatchBytes: Math.max(most, maxRecordBytes ?? DEFAULT_OPTIONS.maxRecordBytes) };
}

type NumericOption = Exclude<
  keyof EngineOptions,
  | 'createIfMissing'
  | 'singleThread'
  | 'durability'
  | 'whenFull'
  | 'compression'
  | 'bottomCompression'
  | 'entryEncoders'
  | 'fingerprintSeed'
  | 'watermarks'
>;

/** The least and the most of each option; `completeOptions` checks bounds that depend on another option. */
const BOUNDS: Readonly<Record<NumericOption, readonly [number, number]>> = {
  syncIntervalMs: [1, 3_600_000],
  // A frame takes at most half of a ring, a ring has at most 64 MiB, and a key goes with a record.
  maxRecordBytes: [1, 30 * MIB],
  memtableBytes: [64 * KIB, MAX_ARENA_BYTES],
  maxBatchBytes: [1, 30 * MIB],
  // Sealed memtables, the active one, the next one, and one that readers still use each need a place.
  maxSealedMemtables: [1, GENERATION_SLOTS - 4],
  writeStallTimeoutMs: [0, 3_600_000],
  maxQueuedWriteBytes: [0, Number.MAX_SAFE_INTEGER],
  maxQueuedReadBytes: [0, Number.MAX_SAFE_INTEGER],
  blockCacheBytes: [0, 4096 * MIB],
  // The main thread and the writer count too.
  readers: [1, MAX_COUNTED_THREADS - 2],
  maxOpenFilesPerThread: [16, 1_000_000],
  blockSizeBytes: [64, 16 * MIB],
  bottomBlockSizeBytes: [64, 16 * MIB],
  zstdLevel: [1, 19],
  restartInterval: [1, 65_535],
  bottomBloomBitsPerKey: [0, 64],
  bloomBitsPerKey: [0, 64],
  targetFileBytes: [4 * KIB, 1024 * MIB],
  l0CompactionTables: [1, 1_000_000],
  l0SlowdownTables: [1, 1_000_000],
  l0StopTables: [1, 1_000_000],
  baseLevelBytes: [4 * KIB, Number.MAX_SAFE_INTEGER],
  levelMultiplier: [2, 1000],
  maxCompactionBytes: [4 * KIB, Number.MAX_SAFE_INTEGER],
  maxBackgroundJobs: [1, 64],
  maxManifestBytes: [1, 1024 * MIB],
  dropTombstonesBelow: [0, MAX_TIMESTAMP],
};

function checkNumber(
  options: EngineOptions,
  name: NumericOption,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): void {
  const value = options[name];
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new LsmError('INVALID_ARGUMENT', `${name} must be a whole number ${range}, not ${describe(value)}`);
}

function watermarksFault(given: unknown): LsmError | undefined {
  if (given === null) return undefined;
  if (given instanceof SharedArrayBuffer && given.byteLength === SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT)
    return undefined;
  return invalidArgument(
    `watermarks must be null or a SharedArrayBuffer of ${SLOT_COUNT} float64, not ${describe(given)}`,
  );
}

function checkOneOf(
  options: EngineOptions,
  name: 'durability' | 'compression' | 'bottomCompression' | 'whenFull',
  known: readonly string[],
): void {
  if (known.includes(options[name])) return;
  throw new LsmError(
    'INVALID_ARGUMENT',
    `${name} must be one of ${known.join(', ')}, not ${describe(options[name])}`,
  );
}

/** Of fingerprints, where nobody has chosen another. */
export const NO_SEED: HashSeed = { low: 0, high: 0 };

/**
 * How the tables of a level are written: small blocks and large filters in the upper levels, the opposite at the
 * bottom.
 */
export function tableOptions(
  options: EngineOptions,
  bottommost: boolean,
  hashSeed: HashSeed,
): TableWriterOptions {
  return {
    blockSizeBytes: bottommost ? options.bottomBlockSizeBytes : options.blockSizeBytes,
    restartInterval: options.restartInterval,
    compression: bottommost ? options.bottomCompression : options.compression,
    zstdLevel: options.zstdLevel,
    bloomBitsPerKey: bottommost ? options.bottomBloomBitsPerKey : options.bloomBitsPerKey,
    hashSeed,
    slotVersions: options.fingerprintSeed !== null || options.watermarks !== null,
    fingerprintSeed: options.fingerprintSeed ?? NO_SEED,
  };
}

import type { BlockCache } from '../cache/block-cache.ts';
import { compactionDebtBytes } from '../compaction/picker.ts';
import type { LsmError } from '../errors.ts';
import type { EngineOptions } from '../options.ts';
import { ControlWord } from '../shared/control.ts';
import type { Arenas } from './arenas.ts';
import type { EngineCondition, EngineConditions } from './conditions.ts';
import type { Maintenance } from './maintenance.ts';
import type { ReadPath } from './read-path.ts';
import type { SlotKeeper } from './slot-keeper.ts';
import type { Snapshots } from './snapshots.ts';
import type { SuperVersions } from './super-versions.ts';
import type { WriteQueue } from './write-queue.ts';

/** Figures of one engine; plain data. Sizes are in bytes. */
export interface EngineStats {
  /** `closed` from the call of `close` on; `poisoned` in any case when nothing was acknowledged any more. */
  readonly state: 'open' | 'poisoned' | 'closed';
  readonly lastError: string | null;
  /** What keeps the engine from doing all it should now; empty when nothing does. */
  readonly conditions: readonly EngineCondition[];
  /** Entries that are not deletions. A key counts once for each place that holds it, so this is an upper bound. */
  readonly estimatedKeys: number;
  /** Keys and values as given, uncompressed, counted in the same way. */
  readonly liveBytes: number;
  readonly diskBytes: number;
  readonly tablesByLevel: readonly number[];
  readonly bytesByLevel: readonly number[];
  readonly memtables: number;
  readonly memtableBytes: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly cacheBytes: number;
  /** Data blocks read from disk for gets, by thread; the main thread never reads one. */
  readonly tableReadsByThread: Readonly<Record<string, number>>;
  readonly writesInFlight: number;
  readonly readsInFlight: number;
  /** Snapshots that are held: one that is never released keeps its tables on disk. */
  readonly snapshotsHeld: number;
  readonly flushes: number;
  readonly compactions: number;
  readonly bytesFlushed: number;
  readonly bytesCompacted: number;
  /** Of tables that did not come from memtables: with large batches, or with records from outside. */
  readonly bytesIngested: number;
  readonly compactionDebtBytes: number;
  readonly damage: DamageStats;
  readonly [more: string]: unknown;
}

/** Damaged tables that were set aside, and what became of what they hold. */
interface DamageStats {
  readonly tables: number;
  /** Of these, tables of which nothing says what they hold. */
  readonly unknownTables: number;
  /** Records that cannot be read and have not been brought by another engine, as far as anybody has looked. */
  readonly lostRecords: number;
  /** Tables that were removed since the start, as everything in them is elsewhere. */
  readonly tablesHealed: number;
}

interface StatsSources {
  readonly options: EngineOptions;
  readonly words: Int32Array;
  readonly superVersions: SuperVersions;
  readonly arenas: Arenas;
  readonly cache: BlockCache;
  readonly writes: WriteQueue;
  readonly reads: ReadPath;
  readonly maintenance: Maintenance;
  readonly slots: SlotKeeper;
  readonly snapshots: Snapshots;
  readonly conditions: EngineConditions;
  readonly writer: { readonly fault: LsmError | undefined };
}

export function collectStats(sources: StatsSources, isClosed: boolean): EngineStats {
  const { arenas, cache, maintenance, options, reads, superVersions, words, writes } = sources;
  const { version } = superVersions;
  let memtableEntries = 0;
  let memtableRawBytes = 0;
  let memtableBytes = 0;
  for (let g = arenas.activeGeneration; g >= superVersions.current.oldestGeneration; g--) {
    const memtable = arenas.memtable(g);
    memtableEntries += memtable.entries;
    memtableRawBytes += memtable.rawBytes;
    memtableBytes += memtable.usedBytes;
  }
  const tableReadsByThread: Record<string, number> = {};
  for (let thread = 0; thread < 2 + options.readers; thread++) {
    // A counter; any recent value will do.
    const reads = Atomics.load(words, ControlWord.tableReads + thread);
    tableReadsByThread[['main', 'writer'][thread] ?? `reader-${thread - 1}`] = reads;
  }
  return {
    state: sources.writer.fault !== undefined ? 'poisoned' : isClosed ? 'closed' : 'open',
    lastError: (sources.writer.fault ?? maintenance.lastError)?.message ?? null,
    conditions: sources.conditions.list((worker) => maintenance.stopsWriter(worker)),
    estimatedKeys: Math.max(0, version.entries - version.tombstones * 2 + memtableEntries),
    liveBytes: version.rawSizeBytes + memtableRawBytes,
    diskBytes: version.fileSizeBytes,
    tablesByLevel: version.levels.map((tables) => tables.length),
    bytesByLevel: version.levels.map((tables) => tables.reduce((sum, table) => sum + table.fileSizeBytes, 0)),
    memtables: maintenance.sealedMemtables + 1,
    memtableBytes,
    cacheHits: cache.hits,
    cacheMisses: cache.misses,
    cacheBytes: cache.usedBytes,
    tableReadsByThread,
    writesInFlight: writes.inFlight,
    readsInFlight: reads.inFlight,
    snapshotsHeld: sources.snapshots.count,
    flushes: maintenance.flushes,
    compactions: maintenance.compactions,
    bytesFlushed: maintenance.bytesFlushed,
    bytesCompacted: maintenance.bytesCompacted,
    bytesIngested: maintenance.bytesIngested,
    compactionDebtBytes: compactionDebtBytes(version, {
      l0Trigger: options.l0CompactionTables,
      baseLevelBytes: options.baseLevelBytes,
      levelMultiplier: options.levelMultiplier,
      maxTaskBytes: options.maxCompactionBytes,
    }),
    damage: {
      tables: version.quarantine.length,
      unknownTables: sources.slots.unknownTables,
      lostRecords: sources.slots.lostRecords,
      tablesHealed: maintenance.tablesHealed,
    },
  };
}

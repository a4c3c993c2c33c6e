import type { BatchSource } from '../compaction/batch-tables.ts';
import type { IngestSource } from '../compaction/ingest.ts';
import type { CompactionTask } from '../compaction/picker.ts';
import { KEEPS_ALL } from '../compaction/retention.ts';
import { withSlotVersions } from '../compaction/table-output.ts';
import type { HashSeed } from '../format/hash.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import type { BackgroundJob } from '../threads/protocol/posted-messages.ts';
import { LEVELS } from '../version/version.ts';

type Job = BackgroundJob['job'];

/** A large batch has no more tables than that in level 0: there, each takes part in every read. */
const MAX_L0_TABLES_OF_BATCH = 4;

interface TableJobsParts {
  readonly directory: string;
  readonly options: EngineOptions;
  readonly hashSeed: HashSeed;
  readonly expiryNowMs: () => number;
  readonly takeFileIds: (count: number) => number[];
}

/** Writes out what the pool is to do for each kind of work that makes tables; it decides about no work. */
export class TableJobs {
  readonly #parts: TableJobsParts;

  constructor(parts: TableJobsParts) {
    this.#parts = parts;
  }

  /**
   * Brings a sealed memtable to tables.
   * @param findsSlots whether the result is to have the slots of its keys, and not all there are
   */
  flush(arena: SharedArrayBuffer, generation: number, findsSlots: boolean): Job {
    const { directory, expiryNowMs, hashSeed, options } = this.#parts;
    const { memtableBytes, targetFileBytes } = options;
    return {
      type: 'flush',
      directory,
      arena,
      generation,
      findsSlots,
      fileIds: this.#parts.takeFileIds(2 + Math.ceil(memtableBytes / targetFileBytes) * 2),
      targetFileBytes,
      table: tableOptions(options, false, hashSeed),
      nowMs: expiryNowMs(),
    };
  }

  /**
   * Merges tables into the next level.
   * @param inputs all the tables of the task
   * @param damaged those of them of which only the readable part is to be taken
   * @param keepsDeletions whether something older may still come into tables
   */
  merge(
    task: CompactionTask,
    inputs: readonly TableHandle[],
    damaged: readonly number[],
    keepsDeletions: boolean,
  ): Job {
    const { directory, expiryNowMs, hashSeed, options } = this.#parts;
    const rawBytes = rewrittenBytes([...task.inputs, ...task.overlapping]);
    return {
      type: 'merge',
      spec: {
        directory,
        inputs,
        damaged,
        outputLevel: task.outputLevel,
        fileIds: this.#fileIdsFor(rawBytes),
        targetFileBytes: options.targetFileBytes,
        table: tableOptions(options, task.bottommost, hashSeed),
        // What is dropped could no longer hide what a damaged table may hold, or what comes later.
        bottommost: task.bottommost && damaged.length === 0 && !keepsDeletions,
        dropTombstonesBelow: options.dropTombstonesBelow,
        // A copy, as threads must not read a float64 while it is written; they are only raised, so it drops no more.
        watermarks: task.bottommost && options.watermarks !== null ? options.watermarks.slice(0) : null,
        nowMs: expiryNowMs(),
      },
    };
  }

  /** Merges records from outside with the tables of the last level that lie beside them. */
  ingest(source: IngestSource, beside: readonly TableMetadata[]): Job {
    const { directory, hashSeed, options } = this.#parts;
    return {
      type: 'ingest',
      spec: {
        ...source,
        directory,
        outputLevel: LEVELS - 1,
        fileIds: this.#fileIdsFor(rewrittenBytes(beside) + source.entries.byteLength),
        targetFileBytes: options.targetFileBytes,
        // Records come from elsewhere where stores are compared.
        table: withSlotVersions(tableOptions(options, true, hashSeed), () => true),
        maxRecordBytes: options.maxRecordBytes,
        maxOpenFiles: options.maxOpenFilesPerThread,
        hashSeed,
        ...KEEPS_ALL,
      },
    };
  }

  /** Writes a batch that is too large for a memtable to tables of a level. */
  batch(source: BatchSource, outputLevel: number): Job {
    const { directory, hashSeed, options } = this.#parts;
    const bytes = source.entries.byteLength;
    const leastFileBytes = outputLevel === 0 ? Math.ceil(bytes / MAX_L0_TABLES_OF_BATCH) : 0;
    return {
      type: 'batch',
      spec: {
        ...source,
        directory,
        outputLevel,
        // The last one takes the rest.
        fileIds:
          outputLevel === 0 ? this.#parts.takeFileIds(MAX_L0_TABLES_OF_BATCH) : this.#fileIdsFor(2 * bytes),
        targetFileBytes: Math.max(options.targetFileBytes, leastFileBytes),
        table: tableOptions(options, outputLevel === LEVELS - 1, hashSeed),
        maxOpenFiles: options.maxOpenFilesPerThread,
        hashSeed,
        ...KEEPS_ALL,
      },
    };
  }

  /** Enough for all that is written of so many bytes: numbers that are not used cost nothing. */
  #fileIdsFor(rawBytes: number): number[] {
    const { options, takeFileIds } = this.#parts;
    return takeFileIds(4 + Math.ceil(rawBytes / options.targetFileBytes) * 2);
  }
}

/** The most that the records of these tables take when they are written again. */
function rewrittenBytes(tables: readonly TableMetadata[]): number {
  return tables.reduce((sum, table) => sum + table.rawSizeBytes + 64 * table.entries, 0);
}

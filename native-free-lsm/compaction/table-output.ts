import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { SlotSet } from '../slots/slot-set.ts';
import { type TableMetadata, tableFileName } from '../sstable/table-metadata.ts';
import { TableWriter, type TableWriterOptions } from '../sstable/table-writer.ts';
import { Fate, type RetentionOptions, RetentionRule } from './retention.ts';

/** About what a disk writes in the time that a client's write may wait. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;

/** Where the tables go, and which records of the source may be dropped. Plain data: it is posted to a pool thread. */
export interface TableOutputSpec extends RetentionOptions {
  readonly directory: string;
  readonly outputLevel: number;
  /** Ascending unused ids for the tables. When they run out, the last table takes the rest. */
  readonly fileIds: readonly number[];
  /** A table that has reached this size gets no further key. */
  readonly targetFileBytes: number;
  readonly table: TableWriterOptions;
}

/**
 * Writes the entries of `source`, each key once in ascending order, to as many tables as needed, and makes the tables
 * and their names durable. Drops what `RetentionRule` says. Returns no table when nothing is left.
 * @param expired is given the slots of values that are not what they were, because they have expired
 * @throws LsmError CLOSED when cancelled; NO_SPACE, IO_ERROR, or what the source throws; a call that threw leaves no
 *   file
 */
export function writeTables(
  fs: FileSystem,
  source: RecordIterator,
  spec: TableOutputSpec,
  cancelled: () => boolean,
  expired = new SlotSet(),
): TableMetadata[] {
  const output = new TableOutput(fs, spec);
  try {
    copyRecords(source, output, new RetentionRule(spec, expired), cancelled);
    return output.finish();
  } catch (error) {
    output.abandon();
    throw error;
  }
}

function copyRecords(
  source: RecordIterator,
  output: TableOutput,
  rule: RetentionRule,
  cancelled: () => boolean,
): void {
  for (source.seekToFirst(); source.valid; source.next()) {
    if (cancelled()) throw new LsmError('CLOSED', 'writing tables was cancelled');
    const fate = rule.judge(
      source.recordBytes,
      source.recordStart,
      source.keyBytes,
      source.keyStart,
      source.keyEnd,
    );
    if (fate === Fate.drop) continue;
    if (fate === Fate.bury) {
      output.add(source, rule.tombstone, 0, rule.tombstone.length);
    } else {
      output.add(source, source.recordBytes, source.recordStart, source.recordEnd);
    }
  }
}

/** Writes tables one after the other, one open at a time. */
class TableOutput {
  readonly #fs: FileSystem;
  readonly #spec: TableOutputSpec;
  readonly #finished: TableMetadata[] = [];
  #writer: TableWriter | undefined;

  constructor(fs: FileSystem, spec: TableOutputSpec) {
    if (spec.fileIds.length === 0) throw new LsmError('INVALID_ARGUMENT', 'no ids for the tables to write');
    this.#fs = fs;
    this.#spec = spec;
  }

  /** Adds a record under the current key of `source`. */
  add(source: RecordIterator, recordBytes: Uint8Array, recordStart: number, recordEnd: number): void {
    if (this.#writer !== undefined && this.#isFull(this.#writer)) this.#endTable(this.#writer);
    this.#writer ??= this.#open();
    this.#writer.add(source.keyBytes, source.keyStart, source.keyEnd, recordBytes, recordStart, recordEnd);
  }

  finish(): TableMetadata[] {
    const directory = this.#spec.directory;
    if (this.#writer !== undefined) this.#endTable(this.#writer);
    if (this.#finished.length === 0) return [];
    try {
      this.#fs.syncDirectorySync(directory);
    } catch (cause) {
      throw ioFailure('sync the directory', directory, cause);
    }
    return this.#finished;
  }

  /** Removes every file. Never throws, because it follows an error, and the next start removes what is left. */
  abandon(): void {
    this.#writer?.abandon();
    for (const { id } of this.#finished) {
      try {
        this.#fs.removeSync(join(this.#spec.directory, tableFileName(id)));
      } catch {}
    }
  }

  #isFull(writer: TableWriter): boolean {
    const { fileIds, targetFileBytes } = this.#spec;
    return writer.estimatedSizeBytes >= targetFileBytes && this.#finished.length < fileIds.length - 1;
  }

  #open(): TableWriter {
    const { directory, fileIds, table } = this.#spec;
    return new TableWriter(this.#fs, directory, fileIds[this.#finished.length], table, SYNC_EVERY_BYTES);
  }

  #endTable(writer: TableWriter): void {
    this.#finished.push(writer.finish(this.#spec.outputLevel));
    this.#writer = undefined;
  }
}

import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import { encodeRecord, recordTimestamp } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { keyBehind } from '../iterator/key-range.ts';
import type { RecordWalk } from '../iterator/record-iterator.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import { CoverWindow } from '../range-tombstones/cover-window.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import { SlotSet } from '../slots/slot-set.ts';
import { type TableMetadata, tableFileName } from '../sstable/table-metadata.ts';
import { TableWriter, type TableWriterOptions } from '../sstable/table-writer.ts';
import { Fate, type RetentionOptions, RetentionRule } from './retention.ts';

const NO_VALUE = new Uint8Array(0);
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
 * How tables are written in which values expire: their slot versions say when so many have that a table is worth a
 * rewrite.
 * @param hasExpiring asked only where they would have none
 */
export function withSlotVersions(table: TableWriterOptions, hasExpiring: () => boolean): TableWriterOptions {
  return table.slotVersions || !hasExpiring() ? table : { ...table, slotVersions: true };
}

/**
 * Writes the entries of `source`, each key once in ascending order, to as many tables as needed, and makes the tables
 * and their names durable. Drops what `RetentionRule` says. Returns no table when nothing is left.
 * @param ranges range tombstones of where the entries come from: what they hide is left out, and each table gets those
 *   of its keys, as long as they may hide something elsewhere. Everything else of their keys must be older than they are,
 *   or above
 * @param expired is given the slots of values that are not what they were, because they have expired
 * @throws LsmError CLOSED when cancelled; NO_SPACE, IO_ERROR, or what the source throws; a call that threw leaves no
 *   file
 */
export function writeTables(
  fs: FileSystem,
  source: RecordWalk,
  spec: TableOutputSpec,
  cancelled: () => boolean,
  expired = new SlotSet(),
  ranges: RangeFragments | null = null,
): TableMetadata[] {
  const rule = new RetentionRule(spec, expired);
  const output = new TableOutput(fs, spec, ranges === null ? null : rule.keptRanges(ranges));
  try {
    copyRecords(source, output, rule, new HiddenRecords(ranges), cancelled);
    return output.finish();
  } catch (error) {
    output.abandon();
    throw error;
  }
}

function copyRecords(
  source: RecordWalk,
  output: TableOutput,
  rule: RetentionRule,
  hidden: HiddenRecords,
  cancelled: () => boolean,
): void {
  for (source.seekToFirst(); source.valid; source.next()) {
    if (cancelled()) throw new LsmError('CLOSED', 'writing tables was cancelled');
    if (hidden.has(source)) continue;
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

/** The records of a source in key order that range tombstones hide. */
class HiddenRecords {
  readonly #ranges: RangeFragments | null;
  readonly #window = new CoverWindow();

  constructor(ranges: RangeFragments | null) {
    this.#ranges = ranges !== null && ranges.count > 0 ? ranges : null;
  }

  /** Whether the current entry is one. */
  has({ keyBytes, keyStart, keyEnd, recordBytes, recordStart }: RecordWalk): boolean {
    if (this.#ranges === null) return false;
    const window = this.#window;
    if (!window.has(keyBytes, keyStart, keyEnd)) {
      window.open();
      window.narrow(this.#ranges, keyBytes, keyStart, keyEnd);
    }
    return window.timestamp > 0 && recordTimestamp(recordBytes, recordStart) < window.timestamp;
  }
}

/** Writes tables one after the other, one open at a time. */
class TableOutput {
  readonly #fs: FileSystem;
  readonly #spec: TableOutputSpec;
  readonly #finished: TableMetadata[] = [];
  #writer: TableWriter | undefined;
  /** The range tombstones that are in no table yet. */
  #ranges: RangeFragments | null;

  constructor(fs: FileSystem, spec: TableOutputSpec, ranges: RangeFragments | null) {
    if (spec.fileIds.length === 0) throw new LsmError('INVALID_ARGUMENT', 'no ids for the tables to write');
    this.#fs = fs;
    this.#spec = spec;
    this.#ranges = ranges !== null && ranges.count > 0 ? ranges : null;
  }

  /** Adds a record under the current key of `source`. */
  add(source: RecordWalk, recordBytes: Uint8Array, recordStart: number, recordEnd: number): void {
    if (this.#writer !== undefined && this.#isFull(this.#writer)) this.#endTableWithin(this.#writer);
    this.#writer ??= this.#open();
    this.#writer.add(source.keyBytes, source.keyStart, source.keyEnd, recordBytes, recordStart, recordEnd);
  }

  finish(): TableMetadata[] {
    const directory = this.#spec.directory;
    if (this.#writer === undefined && this.#ranges !== null) this.#addFirstDeleted(this.#ranges);
    if (this.#writer !== undefined) this.#endTable(this.#writer, this.#ranges);
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
    // No key could end a range tombstone behind the longest ones but before the next key that there can be.
    if (this.#ranges !== null && writer.lastKey.length === MAX_KEY_BYTES) return false;
    return writer.estimatedSizeBytes >= targetFileBytes && this.#finished.length < fileIds.length - 1;
  }

  #open(): TableWriter {
    const { directory, fileIds, table } = this.#spec;
    return new TableWriter(this.#fs, directory, fileIds[this.#finished.length], table, SYNC_EVERY_BYTES);
  }

  /**
   * Ends a table behind which another one comes. Its range tombstones end where its entries do: tables of a level must
   * not overlap, and the next one may begin with the next key there can be.
   */
  #endTableWithin(writer: TableWriter): void {
    const ranges = this.#ranges;
    const behind = ranges === null ? null : keyBehind(writer.lastKey);
    if (ranges === null || behind === null) {
      this.#endTable(writer, null);
      return;
    }
    this.#endTable(writer, ranges.below(behind));
    const rest = ranges.from(behind);
    this.#ranges = rest.count > 0 ? rest : null;
  }

  #endTable(writer: TableWriter, ranges: RangeFragments | null): void {
    this.#finished.push(writer.finish(this.#spec.outputLevel, ranges));
    this.#writer = undefined;
  }

  /** A table has an entry: where only range tombstones are left it is the deletion of the first key that they delete. */
  #addFirstDeleted(ranges: RangeFragments): void {
    const key = ranges.start(0);
    const fields = { timestamp: ranges.timestamp(0), writer: 0, tombstone: true, from: 1, expiryMs: 0 };
    const record = encodeRecord(fields, NO_VALUE);
    this.#writer = this.#open();
    this.#writer.add(key, 0, key.length, record, 0, record.length);
  }
}

import { basename } from 'node:path';
import { refuse, wholeNumberFault } from '../arguments.ts';
import { isLive, recordValueStart } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { visitPuts } from '../log/batch-puts.ts';
import { BatchKind, FileMagic, logFileName } from '../log/log-format.ts';
import { type LogReplay, replayLog } from '../log/log-reader.ts';
import { CoveredIterator } from '../range-tombstones/covered-iterator.ts';
import { ReadCover } from '../range-tombstones/read-cover.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { tableFileName } from '../sstable/table-metadata.ts';
import { compareKeys, QUARANTINE } from '../version/version.ts';
import { damageOf, pathOf } from './folder.ts';
import { Layers, memtableOf } from './layers.ts';
import { openBatches, surveyLog } from './log-survey.ts';
import { readStoppedFolder } from './stopped-folder.ts';
import { orphanTables } from './verify.ts';

/** Sums over tables; keys and timestamps are undefined when there is no table. */
export interface TableSums {
  readonly tables: number;
  readonly fileSizeBytes: number;
  readonly entries: number;
  readonly tombstones: number;
  readonly rangeTombstones: number;
  /** Keys and values as they were given. */
  readonly rawSizeBytes: number;
  readonly smallestKey: Uint8Array | undefined;
  readonly largestKey: Uint8Array | undefined;
  readonly smallestTimestamp: number | undefined;
  readonly largestTimestamp: number | undefined;
}

/** The tables of one level. */
export interface LevelStat extends TableSums {
  /** A number, or the quarantine of damaged tables. */
  readonly level: number | 'quarantine';
  readonly list: readonly TableMetadata[];
}

/** A log of writes. Sizes are in bytes; `puts` are those that a replay would apply. */
export interface LogStat {
  readonly file: string;
  readonly generation: number;
  readonly sizeBytes: number;
  readonly batches: number;
  readonly puts: number;
  readonly tornBytes: number;
  /** Whether it has the mark of a writer that had finished. */
  readonly isClean: boolean;
  /** Whether it is in tables already, so that the next start removes it. */
  readonly isObsolete: boolean;
}

/**
 * What a folder holds, told from its manifest, the ends of its tables and its logs; no data block is read for it.
 */
export interface FolderStat {
  readonly manifest: { readonly file: string; readonly sizeBytes: number; readonly edits: number };
  readonly oldestGeneration: number;
  readonly nextFileId: number;
  /** The levels that hold a table. */
  readonly levels: readonly LevelStat[];
  readonly total: TableSums;
  readonly logs: readonly LogStat[];
  /** Tables that the manifest does not name, and temporary files: the next start removes them. */
  readonly orphans: readonly string[];
  readonly foreign: readonly string[];
  /** The size of tables, logs and the manifest. */
  readonly diskBytes: number;
}

/**
 * What a stopped engine's directory holds, according to its manifest and logs; tables are not opened. Changes nothing.
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR as an opening would
 */
export function statFolder(fs: FileSystem, directory: string): FolderStat {
  const {
    contents,
    manifest,
    logs: live,
  } = readStoppedFolder(fs, directory, {
    table: () => undefined,
    log: (generation, isBegun) => statLog(fs, directory, generation, isBegun),
  });
  const { oldestGeneration, version } = manifest;
  const obsolete = contents.logs.filter((generation) => generation < oldestGeneration);
  const logs = [...obsolete.map((generation) => statObsoleteLog(fs, directory, generation)), ...live];
  const manifestBytes = manifest.endOffset + manifest.tornBytes;
  const { quarantine, levels: all } = version;
  const levels: LevelStat[] = [...all, quarantine].flatMap((list, i) => {
    const level = i === QUARANTINE ? 'quarantine' : i;
    return list.length === 0 ? [] : [{ level, list, ...sumTables(list) }];
  });
  const total = sumTables(version.tables);
  const orphans = [...orphanTables(contents.tables, version).map(tableFileName), ...contents.temporary];
  return {
    manifest: { file: basename(manifest.path), sizeBytes: manifestBytes, edits: manifest.edits },
    oldestGeneration,
    nextFileId: manifest.nextFileId,
    levels,
    total,
    logs,
    orphans,
    foreign: contents.foreign,
    diskBytes: total.fileSizeBytes + manifestBytes + logs.reduce((sum, log) => sum + log.sizeBytes, 0),
  };
}

/** A log, as an opening replays it. */
function statLog(
  fs: FileSystem,
  directory: string,
  generation: number,
  isBegun: boolean,
): LogStat & LogReplay {
  const replay = replayLog(fs, directory, generation, () => undefined, isBegun);
  return {
    ...replay,
    file: logFileName(generation),
    generation,
    sizeBytes: replay.lengthBytes + replay.tornBytes + replay.roomBytes,
    isClean: replay.clean,
    isObsolete: false,
  };
}

/** A log that no opening reads: whatever happened to it, it is no reason to refuse the folder. */
function statObsoleteLog(fs: FileSystem, directory: string, generation: number): LogStat {
  const path = pathOf.log(directory, generation);
  const { batches, contentBytes, gaps, isClean, sizeBytes } = surveyLog(fs, path, FileMagic.log, generation);
  const data = batches.filter(({ kind }) => kind === BatchKind.data);
  let puts = 0;
  using log = openBatches(fs, path, generation);
  for (const { offset } of data) {
    try {
      if (log.reader.moveTo(offset)) puts += visitPuts(log.reader, path, () => undefined);
    } catch (error) {
      damageOf(error, path);
    }
  }
  const torn = gaps.find(({ isTorn }) => isTorn);
  return {
    file: logFileName(generation),
    generation,
    sizeBytes,
    batches: data.length,
    puts,
    tornBytes: torn === undefined ? 0 : contentBytes - torn.offset,
    isClean,
    isObsolete: true,
  };
}

function sumTables(tables: readonly TableMetadata[]): TableSums {
  const sum = (of: (table: TableMetadata) => number): number =>
    tables.reduce((all, table) => all + of(table), 0);
  const least = <Value>(of: (table: TableMetadata) => Value, below: (a: Value, b: Value) => boolean) =>
    tables
      .map(of)
      .reduce<Value | undefined>((best, x) => (best === undefined || below(x, best) ? x : best), undefined);
  return {
    tables: tables.length,
    fileSizeBytes: sum((table) => table.fileSizeBytes),
    entries: sum((table) => table.entries),
    tombstones: sum((table) => table.tombstones),
    rangeTombstones: sum((table) => table.rangeTombstones ?? 0),
    rawSizeBytes: sum((table) => table.rawSizeBytes),
    smallestKey: least(
      ({ smallestKey }) => smallestKey,
      (a, b) => compareKeys(a, b) < 0,
    ),
    largestKey: least(
      ({ largestKey }) => largestKey,
      (a, b) => compareKeys(a, b) > 0,
    ),
    smallestTimestamp: least(
      ({ smallestTimestamp }) => smallestTimestamp,
      (a, b) => a < b,
    ),
    largestTimestamp: least(
      ({ largestTimestamp }) => largestTimestamp,
      (a, b) => a > b,
    ),
  };
}

/** The entries that a read would find. */
export interface LiveSums {
  readonly entries: number;
  /** Bytes of keys and values. */
  readonly sizeBytes: number;
}

/**
 * Counts them: reads all tables and logs, in bounded memory. Yields the bytes of keys and values that it has passed.
 */
export function* countLive(
  fs: FileSystem,
  directory: string,
  nowMs: number,
): Generator<number, LiveSums, void> {
  refuse(wholeNumberFault('nowMs', nowMs, 0));
  using scan = openLive(fs, directory);
  const { iterator } = scan;
  let entries = 0;
  let sizeBytes = 0;
  for (iterator.seekToFirst(); iterator.valid; iterator.next()) {
    const valueStart = recordValueStart(iterator.recordBytes, iterator.recordStart);
    const bytes = iterator.keyEnd - iterator.keyStart + iterator.recordEnd - valueStart;
    yield bytes;
    if (!isLive(iterator.recordBytes, iterator.recordStart, nowMs)) continue;
    entries++;
    sizeBytes += bytes;
  }
  return { entries, sizeBytes };
}

/** The newest version of every key that no range tombstone hides, with tombstones and expired values, in key order. */
export function openLive(
  fs: FileSystem,
  directory: string,
): Disposable & { readonly iterator: RecordIterator } {
  const { logs, manifest } = readStoppedFolder(fs, directory, {
    table: () => undefined,
    log: (generation, isBegun) => {
      const { memtable, result } = memtableOf(fs, directory, generation, isBegun);
      return { memtable, continued: result.continued };
    },
  });
  const memtables = logs.map(({ memtable }) => memtable);
  const layers = new Layers(fs, directory, manifest.version, memtables);
  const merge = new MergingIterator(layers.layers.map((layer) => layer.iterator));
  const cover = layers.ranges.count === 0 ? null : ReadCover.of([layers.ranges], null);
  const iterator = cover === null ? merge : new CoveredIterator(merge, cover, new KeyBound(), false);
  return { iterator, [Symbol.dispose]: () => layers[Symbol.dispose]() };
}

import { basename } from 'node:path';
import { refuse, wholeNumberFault } from '../arguments.ts';
import { isLive, recordValueStart } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { BatchKind, FileMagic, logFileName } from '../log/log-format.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { tableFileName } from '../sstable/table-metadata.ts';
import { parseFileName } from '../version/file-names.ts';
import { compareKeys, QUARANTINE } from '../version/version.ts';
import { pathOf } from './folder.ts';
import { Layers } from './layers.ts';
import { openWindow, replayed, surveyLog, visitPuts } from './log-survey.ts';
import { manifestEdits } from './manifest-survey.ts';
import { readStoppedFolder } from './stopped-folder.ts';
import { orphanTables } from './verify.ts';

/** Sums over tables; keys and timestamps are undefined when there is no table. */
export interface TableSums {
  readonly tables: number;
  readonly fileSizeBytes: number;
  readonly entries: number;
  readonly tombstones: number;
  /** Keys and values as they were given. */
  readonly rawSizeBytes: number;
  readonly smallestKey: Uint8Array | undefined;
  readonly largestKey: Uint8Array | undefined;
  readonly smallestTimestamp: number | undefined;
  readonly largestTimestamp: number | undefined;
}

export interface LevelStat extends TableSums {
  /** A number, or the quarantine of damaged tables. */
  readonly level: number | 'quarantine';
  readonly list: readonly TableMetadata[];
}

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
  const { contents, state } = readStoppedFolder(fs, directory);
  const file = basename(state.path);
  const { survey, edits } = manifestEdits(fs, state.path, parseFileName(file)?.number ?? 0);
  const logs = contents.logs.map((generation) => statLog(fs, directory, generation, state.oldestGeneration));
  const { quarantine, levels: all } = state.version;
  const levels: LevelStat[] = [...all, quarantine].flatMap((list, i) => {
    const level = i === QUARANTINE ? 'quarantine' : i;
    return list.length === 0 ? [] : [{ level, list, ...sumTables(list) }];
  });
  const total = sumTables(state.version.tables);
  const orphans = [...orphanTables(contents.tables, state.version).map(tableFileName), ...contents.temporary];
  return {
    manifest: { file, sizeBytes: survey.sizeBytes, edits: edits.length },
    oldestGeneration: state.oldestGeneration,
    nextFileId: state.nextFileId,
    levels,
    total,
    logs,
    orphans,
    foreign: contents.foreign,
    diskBytes: total.fileSizeBytes + survey.sizeBytes + logs.reduce((sum, log) => sum + log.sizeBytes, 0),
  };
}

function statLog(fs: FileSystem, directory: string, generation: number, oldest: number): LogStat {
  const path = pathOf.log(directory, generation);
  const survey = surveyLog(fs, path, FileMagic.log, generation);
  const data = replayed(survey).filter(({ kind }) => kind === BatchKind.data);
  let puts = 0;
  using log = openWindow(fs, path);
  for (const batch of data) puts += visitPuts(log.window, path, batch, () => undefined);
  const torn = survey.gaps.find(({ isTorn }) => isTorn);
  return {
    file: logFileName(generation),
    generation,
    sizeBytes: survey.sizeBytes,
    batches: data.length,
    puts,
    tornBytes: torn === undefined ? 0 : survey.sizeBytes - torn.offset,
    isClean: survey.isClean,
    isObsolete: generation < oldest,
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

/** The newest version of every key, including tombstones and expired values, in key order. */
export function openLive(
  fs: FileSystem,
  directory: string,
): Disposable & { readonly iterator: RecordIterator } {
  const { contents, state } = readStoppedFolder(fs, directory);
  const layers = new Layers(fs, contents, state.version, state.oldestGeneration);
  const iterator = new MergingIterator(layers.layers.map((layer) => layer.iterator));
  return { iterator, [Symbol.dispose]: () => layers[Symbol.dispose]() };
}

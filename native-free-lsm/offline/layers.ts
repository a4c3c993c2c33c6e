import { drawHashSeed } from '../clock.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { visitPuts } from '../log/batch-puts.ts';
import { BatchKind, FileMagic } from '../log/log-format.ts';
import { type FilledMemtable, fillMemtable } from '../log/log-memtable.ts';
import { type LogReplay, replayLog } from '../log/log-reader.ts';
import { MAX_ARENA_BYTES } from '../memtable/arena-layout.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import { loadTable } from '../sstable/load-table.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { type TableCursor, TableReader } from '../sstable/table-reader.ts';
import type { Version } from '../version/version.ts';
import { damageOf, pathOf } from './folder.ts';
import { openBatches, surveyLog } from './log-survey.ts';

const READAHEAD_BYTES = 256 * 1024;
const OPEN_FILES = 64;
const LEAST_ARENA_BYTES = 64 * 1024;

/** A place where a read looks for a key. */
export interface Layer {
  /** For people: `log 7`, `000012.sst`, `level 2`. */
  readonly name: string;
  readonly iterator: RecordIterator;
}

/**
 * Everything that a read of the whole folder goes through, newest first, as `Layer.iterator`s that open tables only
 * when they reach them. Nothing in the folder is changed: a torn tail, which an opening would cut, is skipped.
 * @throws LsmError CORRUPTION of whatever an opening would refuse, when it is made or when its iterators move
 */
export class Layers implements Disposable {
  readonly layers: readonly Layer[];
  /** The range tombstones of all of them together. */
  readonly ranges: RangeFragments;
  readonly #descriptors: DescriptorCache;

  /**
   * @param logs the memtables of the logs that are not in tables, ascending
   * @param without ids of tables to leave out, because they are known to be damaged
   */
  constructor(
    fs: FileSystem,
    directory: string,
    version: Version,
    logs: readonly Memtable[],
    without: ReadonlySet<number> = new Set(),
  ) {
    this.#descriptors = new DescriptorCache(fs, OPEN_FILES);
    const layers: Layer[] = [];
    const ranges: RangeFragments[] = [];
    for (const memtable of logs.toReversed()) {
      const iterator = memtable.iterator(memtable.publishedOffset);
      ranges.push(memtable.ranges(memtable.publishedOffset) ?? new RangeFragments());
      layers.push({ name: `log ${memtable.generation}`, iterator });
    }
    const chain = (tables: readonly TableMetadata[]): RecordIterator => {
      const readers = tables.map((table) => new TableReader(loadTable(fs, directory, table)));
      ranges.push(...readers.map((reader) => reader.ranges));
      const open = (reader: TableReader): TableCursor =>
        reader.cursor(fs, this.#descriptors, READAHEAD_BYTES, new KeyBound(), false);
      return new LevelIterator(readers, open, false);
    };
    for (const [level, all] of version.levels.entries()) {
      const tables = all.filter(({ id }) => !without.has(id));
      if (level === 0)
        for (const table of tables) layers.push({ name: `table ${table.id}`, iterator: chain([table]) });
      else if (tables.length > 0) layers.push({ name: `level ${level}`, iterator: chain(tables) });
    }
    // Merges go by versions, so these may be anywhere.
    for (const table of version.quarantine)
      if (!without.has(table.id))
        layers.push({ name: `table ${table.id}, set aside`, iterator: chain([table]) });
    this.layers = layers;
    this.ranges = RangeFragments.merged(ranges);
  }

  [Symbol.dispose](): void {
    this.#descriptors.closeAll();
  }
}

/**
 * The memtable of a log as an opening would replay it.
 * @param isBegun whether it is known that the log was begun, so that it must have its header
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR
 */
export function memtableOf(
  fs: FileSystem,
  directory: string,
  generation: number,
  isBegun = false,
): FilledMemtable<LogReplay> {
  const path = pathOf.log(directory, generation);
  return fillMemtable(path, generation, arenaBytesFor(fs, path), drawHashSeed(), (insert) =>
    replayLog(fs, directory, generation, insert, isBegun),
  );
}

/** The memtable of every intact batch of a log, those behind damage included, up to what in it is no operation. */
export function salvagedMemtable(fs: FileSystem, directory: string, generation: number): Memtable {
  const path = pathOf.log(directory, generation);
  const { batches } = surveyLog(fs, path, FileMagic.log, generation);
  return fillMemtable(path, generation, arenaBytesFor(fs, path), drawHashSeed(), (insert) => {
    using log = openBatches(fs, path, generation);
    for (const { kind, offset } of batches) {
      if (kind !== BatchKind.data || !log.reader.moveTo(offset)) continue;
      try {
        visitPuts(log.reader, path, insert);
      } catch (error) {
        // A repair's plan has named it.
        damageOf(error, path);
      }
    }
  }).memtable;
}

function arenaBytesFor(fs: FileSystem, path: string): number {
  const sizeBytes = fs.existsSync(path) ? fs.sizeSync(path) : 0;
  let bytes = LEAST_ARENA_BYTES;
  while (bytes < sizeBytes && bytes < MAX_ARENA_BYTES) bytes *= 2;
  return bytes;
}

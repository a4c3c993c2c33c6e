import { drawHashSeed } from '../clock.ts';
import { corruption, LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { BatchKind, FileMagic } from '../log/log-format.ts';
import { createArena, MAX_ARENA_BYTES } from '../memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../memtable/memtable.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import { loadTable } from '../sstable/load-table.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { TableReader } from '../sstable/table-reader.ts';
import type { Version } from '../version/version.ts';
import { type FolderContents, pathOf } from './folder.ts';
import { openWindow, replayed, surveyLog, visitPuts } from './log-survey.ts';

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
  readonly #descriptors: DescriptorCache;

  /** @param without ids of tables to leave out, because they are known to be damaged */
  constructor(
    fs: FileSystem,
    contents: FolderContents,
    version: Version,
    oldestGeneration: number,
    without: ReadonlySet<number> = new Set(),
  ) {
    const { directory } = contents;
    this.#descriptors = new DescriptorCache(fs, OPEN_FILES);
    const layers: Layer[] = [];
    for (const generation of contents.logs.toReversed()) {
      if (generation < oldestGeneration) continue;
      const memtable = memtableOf(fs, directory, generation);
      layers.push({ name: `log ${generation}`, iterator: memtable.iterator(memtable.publishedOffset) });
    }
    const chain = (tables: readonly TableMetadata[]): RecordIterator => {
      const readers = tables.map((table) => new TableReader(loadTable(fs, directory, table)));
      return new LevelIterator(readers, fs, this.#descriptors, READAHEAD_BYTES, new KeyBound());
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
  }

  [Symbol.dispose](): void {
    this.#descriptors.closeAll();
  }
}

/**
 * The memtable of a log, with the newest version of each key: of what an opening would replay or, with `onFault`, of
 * every intact batch, including those behind damage.
 * @param onFault called for a batch that is intact but holds something that is no operation
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR
 */
export function memtableOf(
  fs: FileSystem,
  directory: string,
  generation: number,
  onFault?: (error: unknown) => void,
): Memtable {
  const path = pathOf.log(directory, generation);
  const survey = surveyLog(fs, path, FileMagic.log, generation);
  const batches = onFault === undefined ? replayed(survey) : survey.batches;
  let bytes = LEAST_ARENA_BYTES;
  while (bytes < survey.sizeBytes && bytes < MAX_ARENA_BYTES) bytes *= 2;
  for (;;) {
    const memtable = new Memtable(createArena(bytes, drawHashSeed()));
    memtable.reset(generation);
    let isFull = false;
    using log = openWindow(fs, path);
    for (const batch of batches) {
      if (batch.kind !== BatchKind.data) continue;
      try {
        visitPuts(log.window, path, batch, ({ bytes: put, keyStart, keyEnd, recordStart, recordEnd }) => {
          const status = memtable.insert(put, keyStart, keyEnd, put, recordStart, recordEnd);
          isFull ||= status === InsertStatus.full;
        });
      } catch (error) {
        if (onFault === undefined || !(error instanceof LsmError)) throw error;
        onFault(error);
      }
      if (isFull) break;
    }
    if (!isFull) {
      memtable.publish();
      return memtable;
    }
    if (bytes === MAX_ARENA_BYTES) throw corruption(path, 0, 'it holds more than any memtable can');
    bytes *= 2;
  }
}

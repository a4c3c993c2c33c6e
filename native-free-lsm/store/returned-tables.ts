import { KEEPS_ALL } from '../compaction/retention.ts';
import { withSlotVersions, writeTables } from '../compaction/table-output.ts';
import { LsmError } from '../errors.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { compareRecordVersions, recordTimestamp } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { FilteringIterator } from '../iterator/filtering-iterator.ts';
import { keyBehind } from '../iterator/key-range.ts';
import type { RecordCursor, RecordIterator } from '../iterator/record-iterator.ts';
import { rangeRecord } from '../log/write-operation.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { createControl } from '../shared/control.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { BlockLoader } from '../sstable/block-loader.ts';
import { isDamage } from '../sstable/damage.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { loadTable } from '../sstable/load-table.ts';
import type { OpenedTable, TableHandle } from '../sstable/table-handle.ts';
import type { TableIterator } from '../sstable/table-iterator.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { TableLookup, TableSet } from '../sstable/table-set.ts';
import type { Version } from '../version/version.ts';

const READAHEAD_BYTES = 256 * 1024;
/** The ids for what an opening writes from one log or one table; when they run out, the last table takes the rest. */
export const FILE_IDS_PER_SOURCE = 64;
/** The index of the control block's counters that are used here: nobody reads them. */
const THREAD = 1;

export interface ReturnedTables {
  readonly version: Version;
  readonly nextFileId: number;
  /** The tables that were written: for each table that came back, what only it had. */
  readonly tables: readonly TableHandle[];
}

/**
 * Takes tables out of quarantine that can be read again, because the disk had failed for a while or somebody has
 * repaired the file. Such a table no longer has a place in the order of the levels. But those of its records that are
 * newer than everything the levels hold of their keys may be above all of them, in a new table of level 0. The rest is
 * outdated, or was taken along when the table was set aside.
 *
 * Call it before anything else is added to level 0. A table that still cannot be read completely stays where it is, and
 * so do all tables from the first one on for which nothing can be written or level 0 has no room: a later opening tries
 * them again.
 */
export function takeBackTables(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  hashSeed: HashSeed,
  found: { readonly version: Version; readonly nextFileId: number },
  handles: readonly OpenedTable[],
  report: (message: string) => void,
): ReturnedTables {
  let { version, nextFileId } = found;
  const tables: TableHandle[] = [];
  const readers = new Map(handles.map((handle) => [handle.metadata.id, new TableReader(handle)]));
  for (const { id } of found.version.quarantine) {
    const reader = readers.get(id) as TableReader;
    if (reader.handle.fault !== null) continue;
    // Writes must not be slow from the start; but when one table is enough for that, one comes back at a time.
    const room = Math.max(1, options.l0SlowdownTables - 1) - version.levels[0].length;
    if (room < 1) {
      report(`${reader.handle.path} may be read again, but level 0 is full: the next start takes it back`);
      break;
    }
    using levels = new Levels(fs, options, hashSeed, version, readers);
    const fileIds = Array.from({ length: Math.min(room, FILE_IDS_PER_SOURCE) }, (_, i) => nextFileId + i);
    nextFileId += fileIds.length;
    try {
      const source = new NewerRecords(levels.walk(reader), levels);
      const ranges = levels.placed(reader.ranges, source);
      requireSound(levels.walk(reader));
      const added = writeTables(
        fs,
        source,
        {
          directory,
          outputLevel: 0,
          fileIds,
          targetFileBytes: options.targetFileBytes,
          table: withSlotVersions(
            tableOptions(options, false, hashSeed),
            () => reader.metadata.smallestExpiryMs > 0,
          ),
          ...KEEPS_ALL,
        },
        () => false,
        undefined,
        ranges,
      );
      const loaded = added.map((metadata) => loadTable(fs, directory, metadata));
      for (const handle of loaded) readers.set(handle.metadata.id, new TableReader(handle));
      version = version.apply({ added, removed: [id] });
      tables.push(...loaded);
      report(`${reader.handle.path} can be read again: what only it held is among the other tables now`);
    } catch (error) {
      // It stays in quarantine, and the conditions name it. The next start removes what was written of it.
      if (!(error instanceof LsmError)) throw error;
      if (isOfTable(error, readers)) continue;
      // The next one would fail in the same way, and fill a disk again that has just no room.
      report(`${error.message}. Tables that were set aside stay so until the next start`);
      break;
    }
  }
  return { version, nextFileId, tables };
}

/** Whether a table cannot be read, and not because of a fault of this process such as too many open files. */
function isOfTable(error: LsmError, readers: ReadonlyMap<number, TableReader>): boolean {
  const isNamed = [...readers.values()].some(({ handle }) => handle.path === error.file);
  return isNamed && (error.code !== 'IO_ERROR' || isDamage(error));
}

/** @throws LsmError CORRUPTION, IO_ERROR, before anything is written for it */
function requireSound(table: TableIterator): void {
  for (table.seekToFirst(); table.valid; table.next());
}

type RecordPlace = Pick<RecordCursor, 'keyBytes' | 'keyStart' | 'keyEnd' | 'recordBytes' | 'recordStart'>;

/** The tables of a version that have a place in its order. */
class Levels implements Disposable {
  readonly #fs: FileSystem;
  readonly #descriptors: DescriptorCache;
  /** A cache of its own: files of a walk must not be closed because of a lookup meanwhile. */
  readonly #walked: DescriptorCache;
  readonly #loader: BlockLoader;
  readonly #tables: TableSet;
  readonly #lookup: TableLookup;
  readonly #hashSeed: HashSeed;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  /** The block that the loader has now: keys come in order, so the next one is often in the same block. */
  #tableId = 0;
  #ordinal = -1;
  #blockEnd = 0;

  constructor(
    fs: FileSystem,
    options: EngineOptions,
    hashSeed: HashSeed,
    version: Version,
    readers: ReadonlyMap<number, TableReader>,
  ) {
    this.#fs = fs;
    this.#descriptors = new DescriptorCache(fs, options.maxOpenFilesPerThread);
    this.#walked = new DescriptorCache(fs, 1);
    this.#loader = new BlockLoader(fs, this.#descriptors, new Int32Array(createControl()), THREAD);
    const levels = version.levels.map((tables) => tables.map(({ id }) => readers.get(id) as TableReader));
    this.#tables = new TableSet(0, 0, levels);
    this.#lookup = new TableLookup(hashSeed);
    this.#hashSeed = hashSeed;
  }

  walk(reader: TableReader): TableIterator {
    return reader.iterator(this.#fs, this.#walked.get(reader.handle), READAHEAD_BYTES);
  }

  /**
   * Whether they hold this version of the key or a newer one, or hide it by a range tombstone.
   * @throws LsmError when a table cannot be read
   */
  outdo(record: RecordPlace): boolean {
    const { keyBytes, keyEnd, keyStart, recordBytes, recordStart } = record;
    const cover = this.#tables.coverOf(keyBytes, keyStart, keyEnd);
    const isOutdone = cover > recordTimestamp(recordBytes, recordStart) || this.#find(record);
    this.#descriptors.trim();
    return isOutdone;
  }

  /**
   * Range tombstones as they may be above all levels. Where there is no record beside them their first key gets a deletion
   * of its own: it must not be one of which the levels hold something newer.
   */
  placed(ranges: RangeFragments, records: RecordIterator): RangeFragments {
    records.seekToFirst();
    let rest = ranges;
    while (!records.valid && rest.count > 0) {
      const key = rest.start(0);
      const recordBytes = rangeRecord(rest.timestamp(0), null);
      const place = { keyBytes: key, keyStart: 0, keyEnd: key.length, recordBytes, recordStart: 0 };
      if (!this.#find(place)) break;
      const behind = keyBehind(key);
      rest = behind === null ? new RangeFragments() : rest.from(behind);
    }
    return rest;
  }

  [Symbol.dispose](): void {
    this.#descriptors.closeAll();
    this.#walked.closeAll();
  }

  #find({ keyBytes, keyStart, keyEnd, recordBytes, recordStart }: RecordPlace): boolean {
    const lookup = this.#lookup;
    const hash = hashBytes(keyBytes, keyStart, keyEnd, this.#hashSeed);
    lookup.begin(this.#tables, keyBytes, keyStart, keyEnd, hash, recordTimestamp(recordBytes, recordStart));
    while (lookup.next()) {
      this.#load(lookup.reader, lookup.ordinal);
      const block = this.#loader.scratch;
      if (!searchBlock(block, 0, this.#blockEnd, keyBytes, keyStart, keyEnd, this.#hit)) continue;
      return compareRecordVersions(block, this.#hit.recordStart, recordBytes, recordStart) >= 0;
    }
    return false;
  }

  #load(reader: TableReader, ordinal: number): void {
    const { id } = reader.metadata;
    if (id === this.#tableId && ordinal === this.#ordinal) return;
    // It has no block until it is read.
    this.#ordinal = -1;
    this.#blockEnd = this.#loader.load(reader, ordinal);
    this.#tableId = id;
    this.#ordinal = ordinal;
  }
}

/** The records of a table that the levels do not outdo. */
class NewerRecords extends FilteringIterator<TableIterator> {
  readonly #levels: Levels;

  constructor(table: TableIterator, levels: Levels) {
    super(table);
    this.#levels = levels;
  }

  protected override settle(): void {
    while (this.cursor.valid && this.#levels.outdo(this.cursor)) this.cursor.next();
  }
}

import { type HashSeed, hashBytes } from '../format/hash.ts';
import { compareRecordVersions, recordTimestamp } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type { RecordCursor } from '../iterator/record-iterator.ts';
import { Memtable } from '../memtable/memtable.ts';
import { createControl } from '../shared/control.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { BlockLoader } from '../sstable/block-loader.ts';
import type { DescriptorCache } from '../sstable/descriptor-cache.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { TableLookup, TableSet } from '../sstable/table-set.ts';

/** A memtable as it is looked at: entries below the limit are visible. */
export interface MemtableLimit {
  readonly arena: SharedArrayBuffer;
  readonly limit: number;
}

/** The index of the control block's counters that are used here: nobody reads them. */
const THREAD = 1;

/** Memtables and tables in which a job looks for a version of each of its keys, from above as a read does. */
export class RecordLayers {
  readonly #memtables: readonly { readonly memtable: Memtable; readonly limit: number }[];
  readonly #loader: BlockLoader;
  readonly #tables: TableSet;
  readonly #lookup: TableLookup;
  readonly #seed: HashSeed;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };

  /**
   * @param memtables the newest first
   * @param levels their tables, from level 0 on
   */
  constructor(
    fs: FileSystem,
    descriptors: DescriptorCache,
    hashSeed: HashSeed,
    memtables: readonly MemtableLimit[],
    levels: readonly (readonly TableHandle[])[],
  ) {
    this.#memtables = memtables.map(({ arena, limit }) => ({ memtable: new Memtable(arena), limit }));
    this.#loader = new BlockLoader(fs, descriptors, new Int32Array(createControl()), THREAD);
    this.#tables = new TableSet(
      0,
      0,
      levels.map((handles) => handles.map((handle) => new TableReader(handle))),
    );
    this.#lookup = new TableLookup(hashSeed);
    this.#seed = hashSeed;
  }

  /**
   * The version that is there, compared with the record: below 0 when it is older, above 0 also when a range tombstone hides
   * the record; undefined: there is none.
   */
  compare({ keyBytes, keyStart, keyEnd, recordBytes, recordStart }: RecordCursor): number | undefined {
    const hash = hashBytes(keyBytes, keyStart, keyEnd, this.#seed);
    let cover = this.#tables.coverOf(keyBytes, keyStart, keyEnd);
    for (const { memtable, limit } of this.#memtables)
      cover = Math.max(cover, memtable.coverOf(keyBytes, keyStart, keyEnd, limit));
    if (cover > recordTimestamp(recordBytes, recordStart)) return 1;
    for (const { memtable, limit } of this.#memtables) {
      const entry = memtable.find(keyBytes, keyStart, keyEnd, limit, hash);
      if (entry === 0) continue;
      return compareRecordVersions(memtable.bytes, memtable.recordStart(entry), recordBytes, recordStart);
    }
    const lookup = this.#lookup;
    lookup.begin(this.#tables, keyBytes, keyStart, keyEnd, hash);
    while (lookup.next()) {
      const end = this.#loader.load(lookup.reader, lookup.ordinal);
      const block = this.#loader.scratch;
      if (!searchBlock(block, 0, end, keyBytes, keyStart, keyEnd, this.#hit)) continue;
      return compareRecordVersions(block, this.#hit.recordStart, recordBytes, recordStart);
    }
    return undefined;
  }
}

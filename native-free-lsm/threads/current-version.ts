import { ownBytes } from '../format/copy.ts';
import type { HashSeed } from '../format/hash.ts';
import { isLive, recordTimestamp } from '../format/record.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { arenaOfGeneration } from '../shared/control.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import type { BlockLoader } from '../sstable/block-loader.ts';
import type { LostVersions } from '../sstable/lost-versions.ts';
import { QuarantineLookup } from '../sstable/quarantine-lookup.ts';
import { TableLookup, type TableSet } from '../sstable/table-set.ts';
import type { SuperVersionTracker } from './super-version-tracker.ts';

/** What a key has now, for the writer: the value that a reader would be given at this moment. */
export class CurrentVersion {
  readonly #tracker: SuperVersionTracker;
  readonly #words: Int32Array;
  readonly #loader: BlockLoader;
  readonly #lookup: TableLookup;
  readonly #quarantine: QuarantineLookup;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };

  constructor(
    tracker: SuperVersionTracker,
    words: Int32Array,
    loader: BlockLoader,
    lost: LostVersions,
    seed: HashSeed,
  ) {
    this.#tracker = tracker;
    this.#words = words;
    this.#loader = loader;
    this.#lookup = new TableLookup(seed);
    this.#quarantine = new QuarantineLookup(loader, lost);
  }

  /**
   * The timestamp of the key's value; 0 when it has none.
   * @param hash of the key, with the directory's seed
   * @param nowMs the time by which values have expired
   * @throws LsmError CORRUPTION, IO_ERROR: it cannot be read
   */
  timestampOf(
    active: Memtable,
    generation: number,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    hash: number,
    nowMs: number,
  ): number {
    const tables = this.#tracker.latest;
    // What a range tombstone hides has no value, and nothing below the first hit can hide it.
    let cover = 0;
    for (let g = generation; g >= tables.oldestGeneration; g--) {
      const memtable = g === generation ? active : this.#tracker.memtable(arenaOfGeneration(this.#words, g));
      const limit = memtable.publishedOffset;
      cover = Math.max(cover, memtable.coverOf(keyBytes, keyStart, keyEnd, limit));
      const entry = memtable.find(keyBytes, keyStart, keyEnd, limit, hash);
      if (entry !== 0) return timestampAt(memtable.bytes, memtable.recordStart(entry), nowMs, cover);
    }
    cover = Math.max(cover, tables.coverOf(keyBytes, keyStart, keyEnd));
    const found = this.#findInTables(tables, keyBytes, keyStart, keyEnd, hash, cover);
    return found === undefined ? 0 : timestampAt(found, 0, nowMs, cover);
  }

  #findInTables(
    tables: TableSet,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    hash: number,
    cover: number,
  ): Uint8Array | undefined {
    const lookup = this.#lookup;
    lookup.begin(tables, keyBytes, keyStart, keyEnd, hash, cover);
    let found: Uint8Array | undefined;
    while (found === undefined && lookup.next()) {
      const end = this.#loader.load(lookup.reader, lookup.ordinal);
      const block = this.#loader.scratch;
      if (searchBlock(block, 0, end, keyBytes, keyStart, keyEnd, this.#hit))
        found = ownBytes(block, this.#hit.recordStart, this.#hit.recordEnd);
    }
    if (tables.quarantine.length === 0) return found;
    const newest = this.#quarantine.newest(tables, keyBytes, keyStart, keyEnd, found, cover);
    if (this.#quarantine.lost !== undefined) throw this.#quarantine.lost;
    return newest;
  }
}

/** @param cover what has a smaller timestamp is hidden */
function timestampAt(bytes: Uint8Array, recordStart: number, nowMs: number, cover: number): number {
  const timestamp = recordTimestamp(bytes, recordStart);
  return timestamp >= cover && isLive(bytes, recordStart, nowMs) ? timestamp : 0;
}

// By import, as the global one is got by a call.
import { Buffer } from 'node:buffer';
import type { BlockCache } from '../cache/block-cache.ts';
import type { KeyCache } from '../cache/key-cache.ts';
import { copyBytes } from '../format/bytes.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { isVisible, recordTimestamp, recordValueStart } from '../format/record.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { NO_TABLE, TableLookup, type TableSet } from '../sstable/table-set.ts';
import type { Arenas } from './arenas.ts';
import type { SnapshotPoint } from './store-snapshot.ts';

/** How far a read got in memory. */
export const Reach = {
  /** The record lies where the search says. */
  found: 0,
  /** No memtable and no table has the key, or what has it is hidden by a range tombstone. */
  absent: 1,
  /** The block at which the lookup stands is not in the cache. */
  missingBlock: 2,
  /** A table in quarantine may hold the key, so that the first hit would not be the whole truth. */
  quarantine: 3,
  /** A table could not be looked into. */
  failed: 4,
} as const;
export type Reach = (typeof Reach)[keyof typeof Reach];

const NO_BYTES = new Uint8Array(0);

/** Finds keys in memory: in memtables and cached blocks, with the filters and indexes of all tables. One at a time. */
export class MemorySearch {
  /** Where a reader goes on when a block is missing. */
  readonly lookup: TableLookup;
  /** What was found is `bytes[start, end)`, until anything else is done. */
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;
  /** The newest range tombstone that hides the key, by its timestamp; 0: none does. */
  cover = 0;
  readonly #arenas: Arenas;
  readonly #cache: BlockCache;
  readonly #keys: KeyCache;
  readonly #hashSeed: HashSeed;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };

  constructor(arenas: Arenas, cache: BlockCache, keys: KeyCache, hashSeed: HashSeed) {
    this.#arenas = arenas;
    this.#cache = cache;
    this.#keys = keys;
    this.#hashSeed = hashSeed;
    this.lookup = new TableLookup(hashSeed);
  }

  /**
   * @param snapshot null: the newest state
   * @param tables those of that state
   */
  find(key: Uint8Array, snapshot: SnapshotPoint | null, tables: TableSet): Reach {
    const hash = hashBytes(key, 0, key.length, this.#hashSeed);
    // The first hit may be hidden by what lies above it, or in the same place. Below nothing can hide it.
    this.cover = 0;
    const newest = snapshot === null ? this.#arenas.activeGeneration : snapshot.generation;
    for (let generation = newest; generation >= tables.oldestGeneration; generation--) {
      const memtable = this.#arenas.memtable(generation);
      const limit = snapshot !== null && generation === newest ? snapshot.limit : memtable.publishedOffset;
      const cover = memtable.coverOf(key, 0, key.length, limit);
      if (cover > this.cover) this.cover = cover;
      const entry = memtable.find(key, 0, key.length, limit, hash);
      if (entry === 0) continue;
      return this.#found(memtable.bytes, memtable.recordStart(entry), memtable.recordEnd(entry));
    }
    const { lookup } = this;
    const cache = this.#cache;
    const hit = this.#hit;
    const cover = Math.max(this.cover, tables.coverOf(key, 0, key.length));
    this.cover = cover;
    const keys = this.#keys;
    const isKnown = keys.find(hash, key);
    if (isKnown && tables.quarantine.length === 0 && keys.isFirst(tables.id))
      return this.#found(cache.bytes, keys.recordStart, keys.recordEnd);
    lookup.begin(tables, key, 0, key.length, hash, cover);
    if (tables.quarantine.length > 0 && tables.isDoubtful(key, 0, key.length, cover)) return Reach.quarantine;
    const knownTable = isKnown ? keys.tableId : NO_TABLE;
    while (lookup.next(knownTable)) {
      if (lookup.isKnown) {
        keys.confirm(tables.id);
        return this.#found(cache.bytes, keys.recordStart, keys.recordEnd);
      }
      const tableId = lookup.reader.metadata.id;
      const slot = cache.find(tableId, lookup.ordinal);
      if (slot === -1) return Reach.missingBlock;
      if (searchBlock(cache.bytes, cache.dataStart(slot), cache.dataEnd(slot), key, 0, key.length, hit)) {
        keys.add(tables.id, tableId, hash, key, slot, hit.recordStart, hit.recordEnd);
        return this.#found(cache.bytes, hit.recordStart, hit.recordEnd);
      }
    }
    return Reach.absent;
  }

  /** What was found, in memory of its own. */
  copy(): Uint8Array {
    return copyOut(this.bytes, this.start, this.end);
  }

  /** The value of what was found, in memory of its own; undefined when it is deleted or has ended. */
  copyValue(nowMs: () => number): Uint8Array | undefined {
    const { bytes, end, start } = this;
    return isVisible(bytes, start, nowMs) ? copyOut(bytes, recordValueStart(bytes, start), end) : undefined;
  }

  #found(bytes: Uint8Array, start: number, end: number): Reach {
    if (isHidden(bytes, start, this.cover)) return Reach.absent;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    return Reach.found;
  }
}

/** Whether a range tombstone of this timestamp hides a record; 0: there is none. */
export function isHidden(bytes: Uint8Array, recordStart: number, cover: number): boolean {
  return cover > 0 && recordTimestamp(bytes, recordStart) < cover;
}

/** As all reads give what they have found: callers decode Buffers. */
export function copyOut(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = Buffer.allocUnsafe(end - start);
  copyBytes(bytes, start, end, copy, 0);
  return copy;
}

import { ownBytes } from '../format/copy.ts';
import type { HashSeed } from '../format/hash.ts';
import { compareVersions, recordTimestamp, recordWriter } from '../format/record.ts';
import { arenaOfGeneration } from '../shared/control.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import type { BlockLoader } from '../sstable/block-loader.ts';
import { isDamage } from '../sstable/damage.ts';
import type { LostVersions } from '../sstable/lost-versions.ts';
import { QuarantineLookup } from '../sstable/quarantine-lookup.ts';
import type { TableReader } from '../sstable/table-reader.ts';
import { TableLookup, type TableSet } from '../sstable/table-set.ts';
import type { SuperVersionTracker } from './super-version-tracker.ts';

/**
 * Looks for a newer version of a key below the memtable that is being written, or a range tombstone that hides it: in
 * sealed memtables, then in tables. It keeps arrival order and version order one and the same for every key, so that a
 * read may stop at its first hit. A put above every version ever sealed needs no lookup; that is nearly every put, as
 * clocks go forward.
 */
export class VersionLookup {
  metTimestamp = 0;
  metWriter = 0;
  readonly #tracker: SuperVersionTracker;
  readonly #words: Int32Array;
  readonly #loader: BlockLoader;
  readonly #lookup: TableLookup;
  readonly #lost: LostVersions;
  readonly #quarantine: QuarantineLookup;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  /** At least the largest timestamp of any memtable sealed so far. */
  #largestSealed = 0;

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
    this.#lost = lost;
    this.#quarantine = new QuarantineLookup(loader, lost);
  }

  sealed(largestTimestamp: number): void {
    this.#largestSealed = Math.max(this.#largestSealed, largestTimestamp);
  }

  mustLook(timestamp: number): boolean {
    return timestamp <= this.#largestSealed || timestamp <= this.#tracker.latest.largestTimestamp;
  }

  /** At least the largest timestamp below the memtable that is being written. */
  get largestTimestamp(): number {
    return Math.max(this.#largestSealed, this.#tracker.latest.largestTimestamp);
  }

  /**
   * Whether the sealed memtables or the tables hold this version of the key or a newer one; `metTimestamp` and
   * `metWriter` are what was found. Of what cannot be read, as its block is damaged, the slot versions of its table say
   * the version: only an older write than that has to give way.
   * @param hash of the key, with the directory's seed
   * @throws LsmError CORRUPTION, IO_ERROR from the tables: nothing says what cannot be read
   */
  holdsNewer(
    generation: number,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    hash: number,
    timestamp: number,
    writer: number,
  ): boolean {
    this.metTimestamp = 0;
    this.metWriter = 0;
    const tables = this.#tracker.latest;
    const cover = this.#coverOf(generation, tables, keyBytes, keyStart, keyEnd);
    if (cover > timestamp) {
      this.metTimestamp = cover;
      return true;
    }
    for (let older = generation - 1; older >= tables.oldestGeneration; older--) {
      const memtable = this.#tracker.memtable(arenaOfGeneration(this.#words, older));
      const entry = memtable.find(keyBytes, keyStart, keyEnd, memtable.publishedOffset, hash);
      if (entry !== 0) return this.#met(memtable.bytes, memtable.recordStart(entry), timestamp, writer);
    }
    const lookup = this.#lookup;
    lookup.begin(tables, keyBytes, keyStart, keyEnd, hash, timestamp);
    let found: Uint8Array | undefined;
    while (found === undefined && lookup.next()) {
      const end = this.#load(lookup.reader, lookup.ordinal, keyBytes, keyStart, keyEnd);
      // What is lost in the levels hides what is below it, as if it could be read.
      if (end === BlockState.lost) break;
      if (end === BlockState.lostWithoutKey) continue;
      const block = this.#loader.scratch;
      if (!searchBlock(block, 0, end, keyBytes, keyStart, keyEnd, this.#hit)) continue;
      if (tables.quarantine.length === 0) return this.#met(block, this.#hit.recordStart, timestamp, writer);
      found = ownBytes(block, this.#hit.recordStart, this.#hit.recordEnd);
    }
    if (tables.quarantine.length > 0) {
      const quarantine = this.#quarantine;
      found = quarantine.newest(tables, keyBytes, keyStart, keyEnd, found, timestamp);
      if (quarantine.lost !== undefined) this.#noteLost(quarantine.lostTimestamp, quarantine.lostWriter);
    }
    if (found === undefined) return this.#isOutdoneByLost(timestamp, writer);
    const [foundTimestamp, foundWriter] = [recordTimestamp(found, 0), recordWriter(found, 0)];
    if (compareVersions(this.metTimestamp, this.metWriter, foundTimestamp, foundWriter) > 0)
      return this.#isOutdoneByLost(timestamp, writer);
    return this.#met(found, 0, timestamp, writer);
  }

  /** The newest range tombstone below the memtable that is being written which hides the key; 0: none does. */
  #coverOf(generation: number, tables: TableSet, key: Uint8Array, start: number, end: number): number {
    let cover = tables.coverOf(key, start, end);
    for (let older = generation - 1; older >= tables.oldestGeneration; older--) {
      const memtable = this.#tracker.memtable(arenaOfGeneration(this.#words, older));
      cover = Math.max(cover, memtable.coverOf(key, start, end, memtable.publishedOffset));
    }
    return cover;
  }

  /** Loads a block of the levels to the loader's scratch, and returns where it ends there, or one of BlockState. */
  #load(reader: TableReader, ordinal: number, key: Uint8Array, start: number, end: number): number {
    try {
      return this.#loader.load(reader, ordinal);
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (!this.#lost.find(reader.handle, key, start, end, error)) return BlockState.lostWithoutKey;
      this.#noteLost(this.#lost.timestamp, this.#lost.writer);
      return BlockState.lost;
    }
  }

  #noteLost(timestamp: number, writer: number): void {
    if (compareVersions(timestamp, writer, this.metTimestamp, this.metWriter) <= 0) return;
    this.metTimestamp = timestamp;
    this.metWriter = writer;
  }

  /** What was lost gives way to a record of the same version: it is the same record. */
  #isOutdoneByLost(timestamp: number, writer: number): boolean {
    return compareVersions(this.metTimestamp, this.metWriter, timestamp, writer) > 0;
  }

  #met(bytes: Uint8Array, recordStart: number, timestamp: number, writer: number): boolean {
    this.metTimestamp = recordTimestamp(bytes, recordStart);
    this.metWriter = recordWriter(bytes, recordStart);
    return compareVersions(this.metTimestamp, this.metWriter, timestamp, writer) >= 0;
  }
}

/** In place of the end of a block that cannot be read. */
const BlockState = {
  /** It has a version of the key, which is noted. */
  lost: -1,
  lostWithoutKey: -2,
} as const;

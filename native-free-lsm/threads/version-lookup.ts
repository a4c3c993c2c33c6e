import { ownBytes } from '../format/copy.ts';
import type { HashSeed } from '../format/hash.ts';
import { compareVersions, recordTimestamp, recordWriter } from '../format/record.ts';
import { arenaOfGeneration } from '../shared/control.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import type { BlockLoader } from '../sstable/block-loader.ts';
import { QuarantineLookup } from '../sstable/quarantine-lookup.ts';
import { TableLookup } from '../sstable/table-set.ts';
import type { SuperVersionTracker } from './super-version-tracker.ts';

/**
 * Looks for a newer version of a key below the memtable that is being written: in sealed memtables, then in tables. It
 * keeps arrival order and version order one and the same for every key, so that a read may stop at its first hit. A put
 * above every version ever sealed needs no lookup; that is nearly every put, as clocks go forward.
 */
export class VersionLookup {
  metTimestamp = 0;
  metWriter = 0;
  readonly #tracker: SuperVersionTracker;
  readonly #words: Int32Array;
  readonly #loader: BlockLoader;
  readonly #lookup: TableLookup;
  readonly #quarantine: QuarantineLookup;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  /** At least the largest timestamp of any memtable sealed so far. */
  #largestSealed = 0;

  constructor(tracker: SuperVersionTracker, words: Int32Array, loader: BlockLoader, seed: HashSeed) {
    this.#tracker = tracker;
    this.#words = words;
    this.#loader = loader;
    this.#lookup = new TableLookup(seed);
    this.#quarantine = new QuarantineLookup(loader);
  }

  sealed(largestTimestamp: number): void {
    this.#largestSealed = Math.max(this.#largestSealed, largestTimestamp);
  }

  mustLook(timestamp: number): boolean {
    return timestamp <= this.#largestSealed || timestamp <= this.#tracker.latest.largestTimestamp;
  }

  /**
   * Whether the sealed memtables or the tables hold this version of the key or a newer one; `metTimestamp` and
   * `metWriter` are what was found.
   * @param hash of the key, with the directory's seed
   * @throws LsmError CORRUPTION, IO_ERROR from the tables
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
    for (let older = generation - 1; older >= tables.oldestGeneration; older--) {
      const memtable = this.#tracker.memtable(arenaOfGeneration(this.#words, older));
      const entry = memtable.find(keyBytes, keyStart, keyEnd, memtable.publishedOffset, hash);
      if (entry !== 0) return this.#met(memtable.bytes, memtable.recordStart(entry), timestamp, writer);
    }
    const lookup = this.#lookup;
    lookup.begin(tables, keyBytes, keyStart, keyEnd, hash, timestamp);
    let found: Uint8Array | undefined;
    while (found === undefined && lookup.next()) {
      const end = this.#loader.load(lookup.reader, lookup.ordinal);
      const block = this.#loader.scratch;
      if (!searchBlock(block, 0, end, keyBytes, keyStart, keyEnd, this.#hit)) continue;
      if (tables.quarantine.length === 0) return this.#met(block, this.#hit.recordStart, timestamp, writer);
      found = ownBytes(block, this.#hit.recordStart, this.#hit.recordEnd);
    }
    if (tables.quarantine.length === 0) return false;
    found = this.#quarantine.newest(tables, keyBytes, keyStart, keyEnd, found, timestamp);
    return found !== undefined && this.#met(found, 0, timestamp, writer);
  }

  #met(bytes: Uint8Array, recordStart: number, timestamp: number, writer: number): boolean {
    this.metTimestamp = recordTimestamp(bytes, recordStart);
    this.metWriter = recordWriter(bytes, recordStart);
    return compareVersions(this.metTimestamp, this.metWriter, timestamp, writer) >= 0;
  }
}

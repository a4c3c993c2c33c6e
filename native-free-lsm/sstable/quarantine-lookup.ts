import type { LsmError } from '../errors.ts';
import { ownBytes } from '../format/copy.ts';
import { compareRecordVersions, compareVersions, recordTimestamp, recordWriter } from '../format/record.ts';
import { type BlockHit, searchBlock } from './block.ts';
import type { BlockLoader } from './block-loader.ts';
import { isDamage } from './damage.ts';
import type { LostVersions } from './lost-versions.ts';
import type { TableReader } from './table-reader.ts';
import type { TableSet } from './table-set.ts';

/**
 * Checks whether the tables in quarantine hold something newer than what the levels have. They have no place in the
 * order of the levels, so versions decide. What cannot be read there counts by the version that the table's slot
 * versions have for it.
 */
export class QuarantineLookup {
  /** After a search: why the newest version of the key cannot be read; undefined: it can, or there is none. */
  lost: LsmError | undefined;
  /** That version. */
  lostTimestamp = 0;
  lostWriter = 0;
  readonly #loader: BlockLoader;
  readonly #lostVersions: LostVersions;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };

  constructor(loader: BlockLoader, lostVersions: LostVersions) {
    this.#loader = loader;
    this.#lostVersions = lostVersions;
  }

  /**
   * @param found the record that the levels have, in memory of its own; undefined: they have none
   * @param minTimestamp older versions are not searched for
   * @returns the newest record that can be read, in memory of its own; `lost` says whether there is a newer one
   * @throws LsmError CORRUPTION, IO_ERROR: a block that may hold a newer one cannot be read, and nothing says whether it
   *   does
   */
  newest(
    tables: TableSet,
    key: Uint8Array,
    start: number,
    end: number,
    found: Uint8Array | undefined,
    minTimestamp = 0,
  ): Uint8Array | undefined {
    let newest = found;
    this.lost = undefined;
    for (const reader of tables.quarantine) {
      const { largestTimestamp } = reader.metadata;
      // The record is newer than everything in the table, so the table need not be read.
      if (newest !== undefined && recordTimestamp(newest, 0) > largestTimestamp) continue;
      if (largestTimestamp < minTimestamp) continue;
      const ordinal = reader.ordinalFor(key, start, end);
      if (ordinal < 0) continue;
      const blockEnd = this.#load(reader, ordinal, key, start, end);
      if (blockEnd < 0) continue;
      const block = this.#loader.scratch;
      if (!searchBlock(block, 0, blockEnd, key, start, end, this.#hit)) continue;
      const { recordStart, recordEnd } = this.#hit;
      if (newest === undefined || compareRecordVersions(block, recordStart, newest, 0) > 0)
        newest = ownBytes(block, recordStart, recordEnd);
    }
    if (this.lost !== undefined && newest !== undefined && this.#lostIsNoNewerThan(newest))
      this.lost = undefined;
    return newest;
  }

  /** Loads a block; -1: it cannot be read, and what it has of the key is noted as lost. */
  #load(reader: TableReader, ordinal: number, key: Uint8Array, start: number, end: number): number {
    try {
      return this.#loader.load(reader, ordinal);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const lost = this.#lostVersions;
      if (!lost.find(reader.handle, key, start, end, error)) return -1;
      const { timestamp, writer } = lost;
      if (
        this.lost === undefined ||
        compareVersions(timestamp, writer, this.lostTimestamp, this.lostWriter) > 0
      ) {
        this.lost = error;
        this.lostTimestamp = timestamp;
        this.lostWriter = writer;
      }
      return -1;
    }
  }

  #lostIsNoNewerThan(record: Uint8Array): boolean {
    const [timestamp, writer] = [recordTimestamp(record, 0), recordWriter(record, 0)];
    return compareVersions(this.lostTimestamp, this.lostWriter, timestamp, writer) <= 0;
  }
}

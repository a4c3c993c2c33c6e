import { ownBytes } from '../format/copy.ts';
import { compareRecordVersions, recordTimestamp } from '../format/record.ts';
import { type BlockHit, searchBlock } from './block.ts';
import type { BlockLoader } from './block-loader.ts';
import type { TableSet } from './table-set.ts';

/**
 * Checks whether the tables in quarantine hold something newer than what the levels have. They have no place in the
 * order of the levels, so versions decide. What cannot be read there may be the newer one.
 */
export class QuarantineLookup {
  readonly #loader: BlockLoader;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };

  constructor(loader: BlockLoader) {
    this.#loader = loader;
  }

  /**
   * @param found the record that the levels have, in memory of its own; undefined: they have none
   * @param minTimestamp older versions are not searched for
   * @returns the newest record, in memory of its own
   * @throws LsmError CORRUPTION, IO_ERROR: a block that may hold a newer one cannot be read
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
    for (const reader of tables.quarantine) {
      const { largestTimestamp } = reader.metadata;
      // The record is newer than everything in the table, so the table need not be read.
      if (newest !== undefined && recordTimestamp(newest, 0) > largestTimestamp) continue;
      if (largestTimestamp < minTimestamp) continue;
      const ordinal = reader.ordinalFor(key, start, end);
      if (ordinal < 0) continue;
      const blockEnd = this.#loader.load(reader, ordinal);
      const block = this.#loader.scratch;
      if (!searchBlock(block, 0, blockEnd, key, start, end, this.#hit)) continue;
      const { recordStart, recordEnd } = this.#hit;
      if (newest === undefined || compareRecordVersions(block, recordStart, newest, 0) > 0)
        newest = ownBytes(block, recordStart, recordEnd);
    }
    return newest;
  }
}

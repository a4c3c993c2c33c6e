import { ownBytes } from '../format/copy.ts';
import { compareRecordVersions, recordTimestamp } from '../format/record.ts';
import { type BlockHit, searchBlock } from './block.ts';
import type { BlockLoader } from './block-loader.ts';
import type { TableSet } from './table-set.ts';

/**
 * Asks the tables in quarantine whether they hold something newer than what the levels have shown. They have no
 * place in the order of the levels, so versions decide; and what cannot be read there may be the newer one.
 */
export class QuarantineLookup {
  readonly #loader: BlockLoader;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };

  constructor(loader: BlockLoader) {
    this.#loader = loader;
  }

  /**
   * @param found the record that the levels have, in memory of its own; undefined: they have none
   * @param minTimestamp nothing older is asked for
   * @returns the newest one, in memory of its own
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
      // What is newer than all it holds cannot be outdone by it.
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

import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import type { SlotSet } from '../slots/slot-set.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { refuseUnreadable } from '../sstable/unreadable-table.ts';
import { WindowMemory } from '../sstable/window-memory.ts';
import { isHidden } from './hidden-tables.ts';
import { type DamagedInput, SoundIterator } from './sound-iterator.ts';
import { TableMerge } from './table-merge.ts';
import { type TableOutputSpec, withSlotVersions, writeTables } from './table-output.ts';

export interface MergeSpec extends TableOutputSpec {
  /** Newest first: an upper level before a lower one, in level 0 a larger id before a smaller one. */
  readonly inputs: readonly TableHandle[];
  /** Ids of inputs that are known to be damaged: entries of these that cannot be read are skipped. */
  readonly damaged: readonly number[];
}

interface Merged {
  readonly tables: readonly TableMetadata[];
  readonly damaged: readonly DamagedInput[];
}

/** For each input: large enough for sequential reading, small enough for a dozen inputs, and for small tables. */
const MAX_READAHEAD_BYTES = 256 * 1024;
const MIN_READAHEAD_BYTES = 32 * 1024;
const READAHEAD_SHARE = 1 / 64;

/** A thread makes one merge after another. */
const windows = new WindowMemory(MAX_READAHEAD_BYTES);

/**
 * Merges tables into new ones with the newest version of each key. It is synchronous and long, so it runs in a pool
 * thread, and it calls `cancelled` now and then. Inputs are left unchanged.
 * @param expired as for writeTables
 * @throws LsmError CLOSED when cancelled, CORRUPTION of an input that was not known to be damaged, NO_SPACE, IO_ERROR;
 *   then no output is left
 */
export function mergeTables(
  fs: FileSystem,
  spec: MergeSpec,
  cancelled: () => boolean,
  expired?: SlotSet,
): Merged {
  const readahead = readaheadBytes(spec.targetFileBytes);
  const descriptors: number[] = [];
  const damaged: SoundIterator[] = [];
  const readers = spec.inputs.map((handle) => new TableReader(handle));
  const ranges = RangeFragments.merged(readers.map((reader) => reader.ranges));
  try {
    const sources = readers
      .filter(({ metadata }) => !isHidden(metadata, ranges))
      .map((reader) => {
        const { handle } = reader;
        if (!spec.damaged.includes(handle.metadata.id)) {
          const fd = openTable(fs, handle);
          descriptors.push(fd);
          return reader.iterator(fs, fd, readahead, windows);
        }
        const iterator = new SoundIterator(fs, reader, () => {
          const fd = openTable(fs, handle);
          descriptors.push(fd);
          return fd;
        });
        damaged.push(iterator);
        return iterator;
      });
    const hasExpiring = (): boolean => readers.some(({ metadata }) => metadata.smallestExpiryMs > 0);
    const output = { ...spec, table: withSlotVersions(spec.table, hasExpiring) };
    const tables = writeTables(fs, new TableMerge(sources), output, cancelled, expired, ranges);
    return { tables, damaged: damaged.flatMap((iterator) => iterator.damage ?? []) };
  } finally {
    windows.releaseAll();
    for (const fd of descriptors) fs.closeSync(fd);
  }
}

function readaheadBytes(tableBytes: number): number {
  return Math.max(
    MIN_READAHEAD_BYTES,
    Math.min(MAX_READAHEAD_BYTES, Math.floor(tableBytes * READAHEAD_SHARE)),
  );
}

function openTable(fs: FileSystem, handle: TableHandle): number {
  refuseUnreadable(handle);
  try {
    return fs.openReadSync(handle.path);
  } catch (cause) {
    throw ioFailure('open the table', handle.path, cause);
  }
}

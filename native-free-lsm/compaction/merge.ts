import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { TableReader } from '../sstable/table-reader.ts';
import type { TableMetadata } from '../version/table-metadata.ts';
import { type TableOutputSpec, writeTables } from './table-output.ts';

export interface MergeSpec extends TableOutputSpec {
  /** Newest first: upper level before lower, in level 0 larger id before smaller. */
  readonly inputs: readonly TableHandle[];
}

/** Of each input; large enough that reading is sequential for the disk, small enough for a dozen inputs. */
const READAHEAD_BYTES = 256 * 1024;

/**
 * Merges tables into new ones, of each key the newest version. Synchronous and long: for a pool thread; asks
 * `cancelled` now and then. Inputs are left as they are.
 * @throws LsmError CLOSED when cancelled, CORRUPTION of an input, NO_SPACE, IO_ERROR; no output is left then
 */
export function mergeTables(fs: FileSystem, spec: MergeSpec, cancelled: () => boolean): TableMetadata[] {
  const descriptors: number[] = [];
  try {
    const sources: RecordIterator[] = [];
    for (const handle of spec.inputs) {
      const fd = openTable(fs, handle.path);
      descriptors.push(fd);
      sources.push(new TableReader(handle).iterator(fs, fd, READAHEAD_BYTES));
    }
    return writeTables(fs, new MergingIterator(sources), spec, cancelled);
  } finally {
    for (const fd of descriptors) fs.closeSync(fd);
  }
}

function openTable(fs: FileSystem, path: string): number {
  try {
    return fs.openReadSync(path);
  } catch (cause) {
    throw ioFailure('open the table', path, cause);
  }
}

import { join } from 'node:path';
import { corruption, type LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { isDamage } from './damage.ts';
import { findSlotVersions, isAnotherTable, loadTable } from './load-table.ts';
import type { TableHandle } from './table-handle.ts';
import { type TableMetadata, tableFileName } from './table-metadata.ts';
import { unreadableTable } from './unreadable-table.ts';

/** How often the disk may fail to read a table before the table counts as unreadable. */
export const MAX_LOADS = 3;

/**
 * Damage in one table costs only its own content, so the engine is opened without it. A file that is missing, or has
 * the name of another one, is different: an operator who has lost or mixed up files must hear of it before anything is
 * built on what is left.
 * @param report called with a sentence about a table that cannot be read
 * @throws LsmError CORRUPTION for such a file; UNSUPPORTED_FORMAT, IO_ERROR
 */
export function loadOrSetAside(
  fs: FileSystem,
  directory: string,
  metadata: TableMetadata,
  report: (message: string) => void,
): TableHandle {
  return orSetAside(fs, directory, metadata, report, () => loadTable(fs, directory, metadata));
}

/** As `loadOrSetAside`, for whoever loads a table in another way. */
export function orSetAside<Table>(
  fs: FileSystem,
  directory: string,
  metadata: TableMetadata,
  report: (message: string) => void,
  load: () => Table,
): Table | TableHandle {
  for (let loads = 1; ; loads++) {
    try {
      return load();
    } catch (error) {
      if (!isDamage(error) || error.systemCode === 'ENOENT') throw error;
      if (error.code === 'IO_ERROR' && loads < MAX_LOADS) continue;
      if (isAnotherTable(fs, directory, metadata)) throw error;
      return setAside(fs, directory, metadata, report, error);
    }
  }
}

/** The handle of a table that cannot be read. */
export function setAside(
  fs: FileSystem,
  directory: string,
  metadata: TableMetadata,
  report: (message: string) => void,
  error: LsmError,
): TableHandle {
  const path = join(directory, tableFileName(metadata.id));
  const cause =
    error.code === 'CORRUPTION' ? error : corruption(path, 0, `it cannot be read (${error.message})`);
  report(`${cause.message}. Nothing of this table can be read; all else is served`);
  return unreadableTable(path, metadata, cause, findSlotVersions(fs, directory, metadata));
}

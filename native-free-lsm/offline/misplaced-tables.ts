import type { FileSystem } from '../fs/file-system.ts';
import { readTableMetadata } from '../sstable/load-table.ts';
import { differingProperty } from '../sstable/properties.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { damageOf, pathOf } from './folder.ts';

/**
 * Finds tables whose files have other names than the manifest gives them, by what the files themselves say: for the id
 * of each such table, the number of its file. A name proves nothing: somebody may have swapped two files.
 * @param present the numbers of all table files of the directory
 */
export function misplacedTables(
  fs: FileSystem,
  directory: string,
  listed: Iterable<TableMetadata>,
  present: readonly number[],
): Map<number, number> {
  const found = new Map<number, TableMetadata>();
  for (const number of present) {
    const metadata = read(fs, directory, number);
    if (metadata !== undefined) found.set(number, metadata);
  }
  const missing: TableMetadata[] = [];
  for (const table of listed) {
    const there = found.get(table.id);
    if (there !== undefined && isSame(there, table)) found.delete(table.id);
    else missing.push(table);
  }
  const misplaced = new Map<number, number>();
  for (const table of missing) {
    for (const [number, metadata] of found) {
      if (!isSame(metadata, table)) continue;
      misplaced.set(table.id, number);
      found.delete(number);
      break;
    }
  }
  return misplaced;
}

function read(fs: FileSystem, directory: string, number: number): TableMetadata | undefined {
  try {
    return readTableMetadata(fs, directory, number, 0);
  } catch (error) {
    damageOf(error, pathOf.table(directory, number));
    return undefined;
  }
}

function isSame(found: TableMetadata, listed: TableMetadata): boolean {
  return found.fileSizeBytes === listed.fileSizeBytes && differingProperty(found, listed) === undefined;
}

import type { FileSystem } from '../fs/file-system.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { type FolderContents, folderContents } from '../version/folder-contents.ts';
import { type ManifestState, type RecoveredManifest, recoverManifest } from '../version/manifest-reader.ts';
import { Version } from '../version/version.ts';
import {
  refuseHalfCheckpoint,
  refuseHalfRepaired,
  refuseLostEdits,
  refuseLostLogs,
} from './folder-checks.ts';

/** Makes something of the files that count, in this order: all tables, then the logs from the oldest on. */
export interface StateReader<Table, Log extends LogEnd> {
  table(metadata: TableMetadata): Table;
  /** @param isBegun the manifest or the log before says that the log was begun, so that it must have its header */
  log(generation: number, isBegun: boolean, tables: readonly Table[]): Log;
}

export interface LogEnd {
  /** Whether the log says at its end that the next one was begun. */
  readonly continued: boolean;
}

/** What a directory holds. */
export interface FolderState<Table, Log> {
  readonly contents: FolderContents;
  /** The manifest in force; undefined when the directory has none, nor anything else. */
  readonly manifest: RecoveredManifest | undefined;
  /** What the manifest says; for a directory without one, what the first one begins with. */
  readonly found: ManifestState;
  /** One for each table that the manifest names. */
  readonly tables: readonly Table[];
  /** One for each log that is not in tables, ascending. */
  readonly logs: readonly Log[];
}

const NEW_FOLDER: ManifestState = {
  version: Version.empty(),
  oldestGeneration: 1,
  nextFileId: 1,
  begunGeneration: 0,
};

/**
 * Reads what a directory holds. It changes nothing, so it works on a read-only file system, and it takes no lock: the
 * caller makes sure that nobody writes meanwhile. It is the first half of every opening, and all that an offline tool
 * needs to show what an opening would find.
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR when an opening must be refused, and what `reader` throws
 */
export function readState<Table, Log extends LogEnd>(
  fs: FileSystem,
  directory: string,
  reader: StateReader<Table, Log>,
): FolderState<Table, Log> {
  const contents = folderContents(fs, directory);
  refuseHalfCheckpoint(contents);
  refuseHalfRepaired(contents);
  const manifest = recoverManifest(fs, directory);
  const found = manifest ?? NEW_FOLDER;
  const { begunGeneration, oldestGeneration, version } = found;
  const tables = version.tables.map((metadata) => reader.table(metadata));
  const live = contents.logs.filter((generation) => generation >= oldestGeneration);
  if (manifest !== undefined) refuseLostEdits(fs, contents, manifest, live);
  refuseLostLogs(directory, oldestGeneration, live, begunGeneration);
  let begun = begunGeneration;
  const logs = live.map((generation) => {
    const log = reader.log(generation, generation <= begun, tables);
    if (log.continued) begun = Math.max(begun, generation + 1);
    return log;
  });
  refuseLostLogs(directory, oldestGeneration, live, begun);
  return { contents, manifest, found, tables, logs };
}

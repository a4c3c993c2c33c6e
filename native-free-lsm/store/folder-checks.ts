/** The checks by which an opening refuses a folder: it is not an engine's, or files are missing. Changes nothing. */
import { corruption, LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { logFileName, lostLogs, missingLogs } from '../log/log-format.ts';
import { readTableMetadata } from '../sstable/load-table.ts';
import { tableFileName } from '../sstable/table-metadata.ts';
import { CHECKPOINT_MARK_NAME, REPAIR_MARK_NAME } from '../version/file-names.ts';
import type { FolderContents } from '../version/folder-contents.ts';
import type { RecoveredManifest } from '../version/manifest-reader.ts';

/** @throws LsmError FOREIGN_DIRECTORY */
export function refuseForeign({ directory, foreign, hasCurrent }: FolderContents): void {
  if (foreign.length === 0 || hasCurrent) return;
  throw new LsmError(
    'FOREIGN_DIRECTORY',
    `${directory} is not an engine's folder (it holds ${foreign[0]}): name an empty or new one`,
  );
}

/** @throws LsmError NOT_FOUND */
export function refuseMissing({
  directory,
  hasCheckpointMark,
  hasCurrent,
  hasRepairMark,
  logs,
  tables,
}: FolderContents): void {
  // A folder without CURRENT but with logs or tables is damaged, and that is reported elsewhere.
  if (hasCurrent || hasRepairMark || hasCheckpointMark || logs.length + tables.length > 0) return;
  throw new LsmError(
    'NOT_FOUND',
    `there is no engine in ${directory}, which is missing or empty: if it held data before, mount its volume or put it back`,
  );
}

/** @throws LsmError CORRUPTION: what is there is only a part of a checkpoint, whatever it looks like */
export function refuseHalfCheckpoint({ directory, hasCheckpointMark }: FolderContents): void {
  if (!hasCheckpointMark) return;
  const file = `${directory}/${CHECKPOINT_MARK_NAME}`;
  const message = `${directory} is a checkpoint that is being made or was cut short (it holds ${CHECKPOINT_MARK_NAME}): wait for it, or make it again`;
  throw new LsmError('CORRUPTION', message, { file, offset: 0 });
}

/** @throws LsmError CORRUPTION: a repair that did not finish may have put aside a part of what is needed */
export function refuseHalfRepaired({ directory, hasRepairMark }: FolderContents): void {
  if (!hasRepairMark) return;
  throw corruption(
    `${directory}/${REPAIR_MARK_NAME}`,
    0,
    'a repair of the folder did not finish: run it again',
  );
}

/**
 * When the end of a manifest is lost, or cut between two edits, it looks like that of one that crashed there. The rest
 * of the folder shows the loss. If the lost edit was a flush, its log is gone: the next log is made before a flush
 * begins, so a log is missing in the row, or, when a restart came between, there is no log at all but a table with
 * later writes than the manifest knows. No unfinished job leaves such a table: flushes start from logs, and compactions
 * write nothing new. (A lost compaction names tables that are gone.)
 * @throws LsmError CORRUPTION
 */
export function refuseLostEdits(
  fs: FileSystem,
  { directory, tables }: FolderContents,
  { endOffset, oldestGeneration, path, version }: RecoveredManifest,
  live: readonly number[],
): void {
  const [missing] = missingLogs(oldestGeneration, live);
  if (missing !== undefined) {
    const [lost, later] = [missing, live[live.length - 1]].map(logFileName);
    throw corruption(
      path,
      endOffset,
      `there is no ${lost} though there is ${later}: either that file is lost, or what said here that it was flushed`,
    );
  }
  if (live.length > 0) return;
  const listed = new Set(version.tables.map(({ id }) => id));
  for (const id of tables) {
    if (listed.has(id) || !isNewerOrphan(fs, directory, id, version.largestTimestamp)) continue;
    const orphan = tableFileName(id);
    throw corruption(
      path,
      endOffset,
      `it does not list ${orphan}, which holds later writes than all it lists`,
    );
  }
}

/**
 * A log that was begun exists until its memtable is in tables. When it is missing, its content is lost.
 * @param begun the last log that was begun, according to the manifest or the mark at the end of another log
 * @throws LsmError CORRUPTION
 */
export function refuseLostLogs(
  directory: string,
  oldestGeneration: number,
  live: readonly number[],
  begun: number,
): void {
  const [lost] = lostLogs(oldestGeneration, live, begun);
  if (lost === undefined) return;
  const path = `${directory}/${logFileName(lost)}`;
  throw new LsmError(
    'CORRUPTION',
    `${path} is missing: it was begun, and writes may be lost with it; put the file back, or repair the folder, which goes on without them`,
    { file: path, offset: 0 },
  );
}

/**
 * Whether a table that the manifest does not name holds writes later than `timestamp`, the latest of those that it
 * names. A table that cannot be read was never complete, or cannot be kept.
 */
export function isNewerOrphan(fs: FileSystem, directory: string, id: number, timestamp: number): boolean {
  try {
    return readTableMetadata(fs, directory, id, 0).largestTimestamp > timestamp;
  } catch {
    return false;
  }
}

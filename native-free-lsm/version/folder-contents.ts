import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { refuseLevelDb } from './current-file.ts';
import { LOCK_FILE_NAME, parseFileName } from './file-names.ts';

/** The files of an engine's directory by kind, with ascending numbers. */
export interface FolderContents {
  readonly directory: string;
  readonly hasCurrent: boolean;
  readonly hasRepairMark: boolean;
  /** A checkpoint was begun there, and is under way or was cut short. */
  readonly hasCheckpointMark: boolean;
  readonly manifests: readonly number[];
  readonly logs: readonly number[];
  readonly tables: readonly number[];
  /** Tables that are not finished. */
  readonly unfinishedTables: readonly number[];
  /** Names of files that are never read and are removed at the next start. */
  readonly temporary: readonly string[];
  /** Names that no engine gives. */
  readonly foreign: readonly string[];
}

/**
 * Lists a directory; a missing one counts as empty.
 * @throws LsmError IO_ERROR; FOREIGN_DIRECTORY for one of LevelDB, whose files have names like ours
 */
export function folderContents(fs: FileSystem, directory: string): FolderContents {
  let names: string[];
  try {
    names = fs.existsSync(directory) ? fs.listSync(directory).sort() : [];
  } catch (error) {
    throw ioFailure('list', directory, error);
  }
  const numbers: Record<'manifest' | 'log' | 'table' | 'temporary', number[]> = {
    manifest: [],
    log: [],
    table: [],
    temporary: [],
  };
  const temporary: string[] = [];
  const foreign: string[] = [];
  let hasCurrent = false;
  let hasRepairMark = false;
  let hasCheckpointMark = false;
  for (const name of names) {
    const file = parseFileName(name);
    if (file === undefined) {
      // SQLite may leave a journal beside the lock.
      if (!name.startsWith(LOCK_FILE_NAME)) foreign.push(name);
    } else if (file.kind === 'current') hasCurrent = true;
    else if (file.kind === 'repairMark') hasRepairMark = true;
    else if (file.kind === 'checkpointMark') hasCheckpointMark = true;
    else if (file.kind !== 'lock' && file.kind !== 'lostFolder') numbers[file.kind].push(file.number);
    if (file?.kind === 'temporary') temporary.push(name);
  }
  if (hasCurrent) refuseLevelDb(fs, directory);
  for (const list of Object.values(numbers)) list.sort((a, b) => a - b);
  return {
    directory,
    hasCurrent,
    hasRepairMark,
    hasCheckpointMark,
    manifests: numbers.manifest,
    logs: numbers.log,
    tables: numbers.table,
    unfinishedTables: numbers.temporary,
    temporary,
    foreign,
  };
}

/**
 * A copy of an engine's tables in a directory of its own, from which another engine can be opened. Tables never change,
 * so the copy needs only second names for their files (idea: RocksDB's checkpoints); where the file system has none, or
 * the directory is on another one, they are copied.
 *
 * While it is made a mark lies in the directory, the first file there and the last to go. An opening, and every offline
 * tool, refuses a directory with the mark, and so a copy that was cut short is never taken for a whole one. The next
 * attempt removes what such a one has left.
 */
import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import { copyFileSync } from '../fs/copy-file.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { type TableMetadata, tableFileName } from '../sstable/table-metadata.ts';
import { CHECKPOINT_MARK_NAME, LOCK_FILE_NAME } from './file-names.ts';
import { Manifest } from './manifest.ts';
import { Version } from './version.ts';

export interface CheckpointSpec {
  /** That of the engine; its tables stay there until the copy is done. */
  readonly directory: string;
  /** What is to be made: missing, empty, or left by an attempt that was cut short. */
  readonly target: string;
  readonly tables: readonly TableMetadata[];
  /** The tables hold everything of older generations. */
  readonly oldestGeneration: number;
}

/** What a file system without second names, or one that is not that of the target, answers to `linkSync`. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EXDEV',
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
]);

/**
 * On return the copy is durable.
 * @throws LsmError NOT_EMPTY: the target holds something else, and nothing was changed; LOCKED: it is being made by
 *   somebody else; CLOSED: cancelled; NO_SPACE, READ_ONLY, IO_ERROR: it may be tried again
 */
export function writeCheckpoint(fs: FileSystem, spec: CheckpointSpec, cancelled: () => boolean): void {
  const { target } = spec;
  try {
    refuseNotEmpty(fs, target);
    fs.makeDirectorySync(target);
    using _lock = fs.lockSync(join(target, LOCK_FILE_NAME));
    // Somebody may have been faster.
    refuseNotEmpty(fs, target);
    const mark = join(target, CHECKPOINT_MARK_NAME);
    if (!fs.existsSync(mark)) fs.closeSync(fs.createSync(mark));
    fs.syncDirectorySync(target);
    removeLeftovers(fs, target);
    copyTables(fs, spec, cancelled);
    const { oldestGeneration, tables } = spec;
    const version = Version.empty().apply({ added: tables, removed: [] });
    const nextFileId = Math.max(0, ...tables.map(({ id }) => id)) + 1;
    // It syncs the directory, and so the names of the tables, before the manifest is in force.
    const manifest = Manifest.create(fs, target, {
      version,
      oldestGeneration,
      nextFileId,
      begunGeneration: 0,
    });
    manifest.abandon();
    fs.removeSync(mark);
    try {
      fs.syncDirectorySync(target);
    } catch (cause) {
      // After a power loss the mark may be back. With it, the next attempt may begin anew here.
      fs.closeSync(fs.createSync(mark));
      throw cause;
    }
  } catch (error) {
    throw ioFailure('make a checkpoint in', target, error);
  }
}

/** Of an attempt that was cut short. */
function removeLeftovers(fs: FileSystem, target: string): void {
  for (const name of fs.listSync(target))
    if (name !== CHECKPOINT_MARK_NAME && !name.startsWith(LOCK_FILE_NAME)) fs.removeSync(join(target, name));
}

function refuseNotEmpty(fs: FileSystem, target: string): void {
  const names = fs.existsSync(target) ? fs.listSync(target) : [];
  if (names.includes(CHECKPOINT_MARK_NAME)) return;
  // SQLite may leave a journal beside the lock, and an attempt that was cut short at once the lock alone.
  const other = names.find((name) => !name.startsWith(LOCK_FILE_NAME));
  if (other === undefined) return;
  const message = `${target} is not empty (it holds ${other}): name a new or empty directory for the checkpoint`;
  throw new LsmError('NOT_EMPTY', message, { file: target });
}

function copyTables(
  fs: FileSystem,
  { directory, tables, target }: CheckpointSpec,
  cancelled: () => boolean,
): void {
  for (const { id } of tables) {
    if (cancelled()) throw new LsmError('CLOSED', 'making a checkpoint was cancelled');
    const name = tableFileName(id);
    const [from, to] = [join(directory, name), join(target, name)];
    try {
      fs.linkSync(from, to);
    } catch (error) {
      if (!NO_LINKS.has((error as { code?: string }).code)) throw error;
      copyFileSync(fs, from, to);
    }
  }
}

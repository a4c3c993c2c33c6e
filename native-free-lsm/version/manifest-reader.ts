import { join } from 'node:path';
import { corruption, refusal } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { BatchReader } from '../log/batch-reader.ts';
import { FileMagic, logFileName } from '../log/log-format.ts';
import { LogWindow } from '../log/log-window.ts';
import { tableFileName } from '../sstable/table-metadata.ts';
import { readCurrent } from './current-file.ts';
import { decodeFrame, ManifestTag } from './edit-codec.ts';
import { CURRENT_FILE_NAME, manifestFileName } from './file-names.ts';
import { folderContents } from './folder-contents.ts';
import { Version, type VersionEdit } from './version.ts';

/** Everything that must be known to open a directory. */
export interface ManifestState {
  readonly version: Version;
  /** Logs of this generation and later are not in tables yet. */
  readonly oldestGeneration: number;
  /** Above every table id that was ever given out. */
  readonly nextFileId: number;
  /** The last log that is known to have been begun: those from `oldestGeneration` to it must be there. */
  readonly begunGeneration: number;
}

export interface RecoveredManifest extends ManifestState {
  readonly path: string;
  /** Where its last whole edit, or the mark of a clean close, ends. */
  readonly endOffset: number;
  /** How many edits it has, the snapshot included. */
  readonly edits: number;
  /** The length of an edit whose append a crash interrupted; it was never acknowledged. */
  readonly tornBytes: number;
}

/**
 * Reads the manifest in force, and changes nothing. Undefined when the directory has none.
 * @throws LsmError CORRUPTION with file and offset, UNSUPPORTED_FORMAT, IO_ERROR
 */
export function recoverManifest(fs: FileSystem, directory: string): RecoveredManifest | undefined {
  const currentPath = join(directory, CURRENT_FILE_NAME);
  try {
    const number = readCurrent(fs, directory);
    if (number === undefined) return refuseOrphans(fs, directory, currentPath);
    const path = join(directory, manifestFileName(number));
    if (!fs.existsSync(path)) throw corruption(currentPath, 0, `it names ${path}, which is not there`);
    return readManifest(fs, path, number);
  } catch (cause) {
    throw ioFailure('read the manifest of', directory, cause);
  }
}

/** CURRENT is durable before the first log or table is made, so one of these without CURRENT means a loss. */
function refuseOrphans(fs: FileSystem, directory: string, currentPath: string): undefined {
  const { logs, tables } = folderContents(fs, directory);
  const [name] = [...logs.map(logFileName), ...tables.map(tableFileName)];
  if (name === undefined) return undefined;
  throw corruption(currentPath, 0, `the file is missing, though the directory holds ${name}`);
}

/** Reads one manifest, whether it is in force or not; throws as `recoverManifest` does. */
export function readManifest(fs: FileSystem, path: string, number: number): RecoveredManifest {
  const fd = fs.openReadSync(path);
  try {
    const window = new LogWindow(fs, fd, fs.sizeSync(path));
    const reader = new BatchReader(window, path, number);
    // Header and snapshot are synced before CURRENT names the file, so their absence is not a torn tail.
    if (!reader.readHeader(FileMagic.manifest)) throw corruption(path, 0, 'the file has no header');
    if (!reader.next()) throw corruption(path, reader.offset, 'the snapshot is missing');
    let state = applied(EMPTY, reader, path, ManifestTag.snapshot);
    let edits = 1;
    for (; reader.next(); edits++) state = applied(state, reader, path, ManifestTag.edit);
    const tornBytes = window.sizeBytes - reader.offset;
    return { ...state, path, edits, endOffset: reader.offset, tornBytes };
  } finally {
    fs.closeSync(fd);
  }
}

/** @throws LsmError CORRUPTION when the edit does not fit the state */
export function withEdit(state: ManifestState, edit: VersionEdit): ManifestState {
  return {
    version: state.version.apply(edit),
    oldestGeneration: edit.oldestGeneration ?? state.oldestGeneration,
    begunGeneration: Math.max(edit.begunGeneration ?? 0, state.begunGeneration),
    nextFileId: Math.max(edit.nextFileId ?? state.nextFileId, ...edit.added.map(({ id }) => id + 1)),
  };
}

const EMPTY: ManifestState = {
  version: Version.empty(),
  oldestGeneration: 0,
  nextFileId: 1,
  begunGeneration: 0,
};

function applied(state: ManifestState, reader: BatchReader, path: string, tag: ManifestTag): ManifestState {
  try {
    const edit = decodeFrame(reader.window.bytes, reader.bodyStart, reader.bodyEnd, tag);
    return withEdit(state, edit);
  } catch (cause) {
    throw refusal(path, reader.offset, cause);
  }
}

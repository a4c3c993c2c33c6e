import { corruption } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { type FolderState, type LogEnd, readState, type StateReader } from '../store/read-state.ts';
import type { RecoveredManifest } from '../version/manifest-reader.ts';
import { listFolder, pathOf } from './folder.ts';

interface StoppedFolder<Table, Log> extends FolderState<Table, Log> {
  readonly manifest: RecoveredManifest;
}

/**
 * What an opening would find in a directory; nothing is changed.
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR as an opening would; CORRUPTION also if no engine ever used
 *   the directory
 */
export function readStoppedFolder<Table, Log extends LogEnd>(
  fs: FileSystem,
  directory: string,
  reader: StateReader<Table, Log>,
): StoppedFolder<Table, Log> {
  listFolder(fs, directory);
  const { manifest, ...state } = readState(fs, directory, reader);
  if (manifest === undefined) throw corruption(pathOf.current(directory), 0, 'the file is missing');
  return { ...state, manifest };
}

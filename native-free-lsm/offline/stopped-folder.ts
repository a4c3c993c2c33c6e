import { corruption } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { refuseHalfRepaired, refuseLostEdits } from '../store/folder-checks.ts';
import { type RecoveredManifest, recoverManifest } from '../version/manifest-reader.ts';
import { type FolderContents, listFolder, pathOf } from './folder.ts';

interface StoppedFolder {
  readonly contents: FolderContents;
  readonly state: RecoveredManifest;
}

/**
 * What an opening would learn of a directory before it reads tables and logs; nothing is changed.
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR as an opening would; CORRUPTION also if no engine ever used
 *   the directory
 */
export function readStoppedFolder(fs: FileSystem, directory: string): StoppedFolder {
  const contents = listFolder(fs, directory);
  refuseHalfRepaired(fs, directory);
  const state = recoverManifest(fs, directory);
  if (state === undefined) throw corruption(pathOf.current(directory), 0, 'the file is missing');
  const live = contents.logs.filter((generation) => generation >= state.oldestGeneration);
  refuseLostEdits(fs, directory, state, live, contents.tables);
  return { contents, state };
}

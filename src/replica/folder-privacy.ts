/**
 * A data folder holds every value in clear text, so only the user who runs the node may read it. Files that the node
 * makes are private. Files that are there already, from an earlier release or copied by hand, are made private at the
 * start.
 */
import { join } from 'node:path';
import type { FileSystem } from '../../native-free-lsm/index.ts';
import { QuorateError } from '../errors.ts';
import { folderFault } from './folder-files.ts';

/** Permission bits of all who are not the owner. */
const OTHERS = 0o077;
const ROOT = 0;
/** The node's folder, the engine's folder in it, and the folder in that where a repair puts files aside. */
const DEPTH = 3;

/**
 * @returns a sentence for the log about what other users could do, or still can; null when there was nothing
 * @throws QuorateError FOREIGN_DIRECTORY when the folder belongs to another user, who could read and replace anything;
 *   STORAGE when it cannot be looked at
 */
export function makePrivate(fs: FileSystem, folder: string): string | null {
  const { userId } = fs;
  if (userId === null) return null;
  const owner = ownerOf(fs, folder);
  if (owner !== userId && owner !== ROOT && userId !== ROOT) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `The data folder ${folder} belongs to another user (uid ${owner}, and this is uid ${userId}): start the node as that user, or give the folder to this one (chown -R)`,
    );
  }
  let changed: number;
  try {
    changed = tighten(fs, folder, DEPTH);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return `Other users can read the data folder ${folder}, and that cannot be changed here (${code}): see to it that only the user of the node can (chmod -R go= ${folder})`;
  }
  if (changed === 0) return null;
  return `Other users could read the data folder ${folder}: the rights of ${changed} of its files and folders were taken back to this user alone`;
}

function ownerOf(fs: FileSystem, folder: string): number {
  try {
    return fs.statusSync(folder).userId;
  } catch (error) {
    throw folderFault(folder, error);
  }
}

/** @returns how many files and folders were open to others */
function tighten(fs: FileSystem, path: string, depth: number): number {
  const { kind, mode } = fs.statusSync(path);
  if (kind === 'other') return 0;
  let changed = 0;
  if ((mode & OTHERS) !== 0) {
    fs.changeModeSync(path, mode & ~OTHERS);
    changed++;
  }
  if (kind === 'file' || depth === 0) return changed;
  for (const name of fs.listSync(path)) changed += tighten(fs, join(path, name), depth - 1);
  return changed;
}

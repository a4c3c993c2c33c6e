/**
 * A data folder holds every value in clear text, so only the user who runs the node may read it. Files that the node
 * makes are private. Files that are there already, from an earlier release or copied by hand, are made private at the
 * start.
 */
import { chmod, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { QuorateError } from '../errors.ts';

export const PRIVATE_FOLDER_MODE = 0o700;
export const PRIVATE_FILE_MODE = 0o600;
const OTHERS = 0o077;
const ROOT = 0;
/** The node's folder, the engine's folder in it, and the folder in that where a repair puts files aside. */
const DEPTH = 3;

/**
 * @returns a sentence for the log about what other users could do, or still can; null when there was nothing
 * @throws QuorateError FOREIGN_DIRECTORY when the folder belongs to another user, who could read and replace anything
 */
export async function makePrivate(folder: string): Promise<string | null> {
  const uid = process.geteuid?.();
  // Windows has no such permission bits.
  if (uid === undefined) return null;
  const { uid: owner } = await lstat(folder);
  if (owner !== uid && owner !== ROOT && uid !== ROOT) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `The data folder ${folder} belongs to another user (uid ${owner}, and this is uid ${uid}): start the node as that user, or give the folder to this one (chown -R)`,
    );
  }
  const changed = { count: 0 };
  try {
    await tighten(folder, DEPTH, changed);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return `Other users can read the data folder ${folder}, and that cannot be changed here (${code}): see to it that only the user of the node can (chmod -R go= ${folder})`;
  }
  if (changed.count === 0) return null;
  return `Other users could read the data folder ${folder}: the rights of ${changed.count} of its files and folders were taken back to this user alone`;
}

async function tighten(path: string, depth: number, changed: { count: number }): Promise<void> {
  const stat = await lstat(path);
  const isFolder = stat.isDirectory();
  if (!isFolder && !stat.isFile()) return;
  if ((stat.mode & OTHERS) !== 0) {
    await chmod(path, stat.mode & 0o7777 & ~OTHERS);
    changed.count++;
  }
  if (!isFolder || depth === 0) return;
  const names = await readdir(path);
  await Promise.all(names.map((name) => tighten(join(path, name), depth - 1, changed)));
}

/** Files that are made once, whatever number of processes want to make them at the same moment. */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Makes a file, for this user alone, that is there whole and durable or not at all.
 * @returns false when there is one of that name already, which stays as it is
 */
export function createExclusively(file: string, text: string): boolean {
  const temporary = `${file}.${randomUUID()}.tmp`;
  const options = { flag: 'wx', mode: 0o600, flush: true } as const;
  try {
    fs.writeFileSync(temporary, text, options);
    if (!linked(temporary, file)) {
      // As exclusive as a link; but a crash in the middle leaves a part of the file.
      fs.writeFileSync(file, text, options);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
  syncFolder(path.dirname(file));
  return true;
}

/**
 * Gives a file a second name. Unlike a rename, it fails when the name is taken.
 * @returns false where files have one name only: on file systems of sticks, and some shared ones
 */
function linked(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Makes the names in a folder durable. */
function syncFolder(folder: string): void {
  // Windows cannot open a folder to sync it, and makes names durable by itself.
  if (process.platform === 'win32') return;
  const descriptor = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

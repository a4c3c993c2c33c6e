/** Creates a file exactly once, even when several processes try at the same moment. */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Creates a file that only this user can read. It is there complete and durable, or not at all.
 * @returns false when a file of that name exists already; it is left unchanged
 */
export function createExclusively(file: string, text: string): boolean {
  const temporary = `${file}.${randomUUID()}.tmp`;
  const options = { flag: 'wx', mode: 0o600, flush: true } as const;
  try {
    fs.writeFileSync(temporary, text, options);
    if (!linked(temporary, file)) {
      // This is as exclusive as a link, but a crash in the middle leaves an incomplete file.
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
 * @returns false where a file can have only one name: on the file systems of USB sticks, and some shared ones
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
export function syncFolder(folder: string): void {
  // Windows cannot open a folder to sync it, but makes names durable by itself.
  if (process.platform === 'win32') return;
  const descriptor = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

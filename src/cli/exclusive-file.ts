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
  try {
    fs.writeFileSync(temporary, text, { flag: 'wx', mode: 0o600, flush: true });
    // Unlike a rename, it fails when the name is taken.
    fs.linkSync(temporary, file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
  syncFolder(path.dirname(file));
  return true;
}

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

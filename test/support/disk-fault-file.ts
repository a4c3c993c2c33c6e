/** Makes the disk of another process a bad one that has loaded `preloaded-disk.ts`. */
import { renameSync, writeFileSync } from 'node:fs';

/** Names the file in the process's environment. */
export const DISK_FAULT_VARIABLE = 'QUORATE_TEST_DISK_FILE';
const PRELOADED = new URL('preloaded-disk.ts', import.meta.url);

export interface DiskFault {
  /** Writes fail as on a disk that has no room left. */
  readonly isFull: boolean;
  /** How much longer each sync of a file takes. */
  readonly syncDelayMs: number;
}

export const GOOD_DISK: DiskFault = { isFull: false, syncDelayMs: 0 };

/** The environment that makes a process's disk what the file says; other modules that are loaded first may be named. */
export function diskEnvironment(file: string, preloaded = ''): NodeJS.ProcessEnv {
  return { [DISK_FAULT_VARIABLE]: file, NODE_OPTIONS: `${preloaded} --import=${PRELOADED.href}`.trim() };
}

export function setDisk(file: string, fault: DiskFault): void {
  const next = `${file}.next`;
  writeFileSync(next, JSON.stringify(fault));
  // Replaced as a whole, because it is read all the time.
  renameSync(next, file);
}

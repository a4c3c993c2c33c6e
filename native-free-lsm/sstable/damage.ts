import { LsmError } from '../errors.ts';

/** Faults of the file or of its place on the disk, and not of this process or this moment. */
const OF_THE_FILE: ReadonlySet<string> = new Set(['EIO', 'ENOENT', 'ENXIO', 'ESTALE', 'EUCLEAN', 'EBADMSG']);

/** Whether the error means that the table is damaged. Too many open files, for example, does not. */
export function isDamage(error: unknown): error is LsmError {
  if (!(error instanceof LsmError)) return false;
  if (error.code === 'CORRUPTION') return true;
  return error.code === 'IO_ERROR' && OF_THE_FILE.has(error.systemCode ?? '');
}

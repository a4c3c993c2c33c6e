import { LsmError, outOfMemory } from '../errors.ts';

/**
 * The engine's error for a failed call to the file system: NO_SPACE for a full disk or quota, READ_ONLY for a file
 * system that takes no writes, OVERLOADED where memory is short, IO_ERROR for the rest. An error of the engine itself stays unchanged. `action` completes
 * "cannot …".
 */
export function ioFailure(action: string, path: string, cause: unknown): LsmError {
  if (cause instanceof LsmError) return cause;
  const code = (cause as { code?: string }).code;
  const details = { file: path, cause };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new LsmError(
      'NO_SPACE',
      `cannot ${action} ${path}: the disk or quota is full; make room on it`,
      details,
    );
  }
  if (code === 'EROFS') {
    const message = `cannot ${action} ${path}: the file system is read-only; mount it for writing`;
    return new LsmError('READ_ONLY', message, details);
  }
  if (code === 'EMFILE' || code === 'ENFILE') {
    const message = `cannot ${action} ${path}: too many files are open; raise the limit (ulimit -n)`;
    return new LsmError('IO_ERROR', message, details);
  }
  if (code === 'ENOTDIR') {
    const message = `cannot ${action} ${path}: it, or a part of its path, is a file, and a folder is wanted`;
    return new LsmError('IO_ERROR', message, details);
  }
  const doing = `cannot ${action} ${path}`;
  return (
    outOfMemory(doing, cause, path) ??
    new LsmError('IO_ERROR', `${doing}: ${(cause as Error).message}`, details)
  );
}

/** The engine's error for a failed sync, and for every later use of what could not be synced. */
export function syncFailure(path: string, cause: unknown): LsmError {
  return new LsmError(
    'POISONED',
    `${path} could not be synced: what of it is on the disk is unknown, so nothing more is acknowledged; ` +
      `see to the disk, then restart (${(cause as Error).message})`,
    { file: path, cause },
  );
}

import { LsmError, type LsmErrorCode } from '../errors.ts';

/** What callers of an abstract-level database know these by. */
const LEVEL_CODES: Partial<Record<LsmErrorCode, string>> = {
  CLOSED: 'LEVEL_DATABASE_NOT_OPEN',
  CORRUPTION: 'LEVEL_CORRUPTION',
  IO_ERROR: 'LEVEL_IO_ERROR',
  LOCKED: 'LEVEL_LOCKED',
};

/** An error of a database. Its cause is the engine's, which says what can be done. */
class LevelError extends Error {
  readonly code: string;

  constructor(message: string, code: string, cause?: Error) {
    super(message, { cause });
    this.code = code;
  }
}

/** What a call of the database fails with: errors of the engine under the codes of abstract-level. */
export function levelError(error: unknown): unknown {
  if (!(error instanceof LsmError)) return error;
  return new LevelError(error.message, LEVEL_CODES[error.code] ?? `LEVEL_${error.code}`, error);
}

/** What a read fails with whose signal was aborted. */
export function abortError(): Error {
  const error = new LevelError('Operation has been aborted', 'LEVEL_ABORTED');
  error.name = 'AbortError';
  return error;
}

export function existsError(location: string): Error {
  return new LevelError(`${location} exists already, and errorIfExists is true`, 'LEVEL_DATABASE_EXISTS');
}

export function missingError(location: string, readOnly: boolean): Error {
  const reason = readOnly ? 'readOnly makes none' : 'createIfMissing is false';
  return new LevelError(`${location} does not exist, and ${reason}`, 'LEVEL_DATABASE_MISSING');
}

export function invalidKeyError(): Error {
  return new LevelError('Key cannot be null or undefined', 'LEVEL_INVALID_KEY');
}

export function notOpenError(): Error {
  return new LevelError('Database is not open', 'LEVEL_DATABASE_NOT_OPEN');
}

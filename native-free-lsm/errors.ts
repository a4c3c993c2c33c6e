/**
 * Every failure that the engine reports. `code` is stable and meant for programs; the message is a sentence for people
 * that says what is wrong, where, and what to do; `canRetry` says whether the same call may succeed later without
 * anybody's help.
 */
export type LsmErrorCode =
  /** A checksum or a structural check failed: `file` and `offset` name the place. */
  | 'CORRUPTION'
  /** The directory is open in another process or engine. */
  | 'LOCKED'
  /** The directory holds something that is not an engine's. */
  | 'FOREIGN_DIRECTORY'
  /** A directory that is to be made holds something already. */
  | 'NOT_EMPTY'
  /** There is no engine in the directory, and none was to be made. */
  | 'NOT_FOUND'
  /** A file was written by a format this version does not read. */
  | 'UNSUPPORTED_FORMAT'
  /** The disk is full; writes are refused until there is room. */
  | 'NO_SPACE'
  /** The file system takes no writes; they are refused until it does. */
  | 'READ_ONLY'
  /** What was opened to be read is to be written. */
  | 'NOT_WRITABLE'
  /** The folder is written so fast by another process that no view of it could be taken. */
  | 'CHANGING'
  /** Another folder is in the place of the one that was opened to be read, or an older copy of it. */
  | 'REPLACED'
  /** A sync failed, so it is unknown what is on disk; nothing is acknowledged until a restart. */
  | 'POISONED'
  /** Queues or memtables are full, or the process has no memory left. */
  | 'OVERLOADED'
  | 'IO_ERROR'
  | 'CLOSED'
  | 'INVALID_ARGUMENT'
  /** The snapshot was released or given up: with a new one the call goes well, with this one it never does. */
  | 'SNAPSHOT_EXPIRED'
  /** A pool thread died, or none can be started. Nothing of a write is there; a checkpoint may have been made. */
  | 'WORKER_DIED';

const RETRYABLE: ReadonlySet<LsmErrorCode> = new Set([
  'NO_SPACE',
  'READ_ONLY',
  'OVERLOADED',
  'CHANGING',
  'WORKER_DIED',
]);

interface LsmErrorDetails {
  readonly file?: string;
  /** The byte offset in `file` where the fault was found. */
  readonly offset?: number;
  readonly cause?: unknown;
}

/**
 * What the engine throws, and rejects with. `file` and `offset` (in bytes) name the place where there is one, `cause` is the
 * error of the system or of a thread, if that was the reason.
 */
export class LsmError extends Error {
  override readonly name = 'LsmError';
  readonly code: LsmErrorCode;
  readonly canRetry: boolean;
  readonly file: string | undefined;
  readonly offset: number | undefined;

  constructor(code: LsmErrorCode, message: string, details: LsmErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.canRetry = RETRYABLE.has(code);
    this.file = details.file;
    this.offset = details.offset;
  }

  /** The code of the failed system call, such as EIO, if that was the reason. */
  get systemCode(): string | undefined {
    return (this.cause as { code?: string } | undefined)?.code;
  }
}

/**
 * The error for what the system has no memory for; undefined when that is not the reason.
 * @param doing what failed, as in `cannot read /db/000001.sst`
 */
export function outOfMemory(doing: string, cause: unknown, file?: string): LsmError | undefined {
  const { code, message } = cause as { readonly code?: string; readonly message?: string };
  const isAllocation = cause instanceof RangeError && /allocation/i.test(cause.message);
  if (!isAllocation && code !== 'ENOMEM') return undefined;
  return new LsmError(
    'OVERLOADED',
    `${doing}: there is no memory left (${message}); try again later, or give the process more`,
    { cause, ...(file !== undefined && { file }) },
  );
}

export function corruption(file: string, offset: number, what: string): LsmError {
  return new LsmError('CORRUPTION', `${file} is damaged at byte ${offset}: ${what}`, { file, offset });
}

/**
 * An error for a fault found in bytes whose checksum is right, with the place. What is unknown in them (`cause` is an
 * LsmError UNSUPPORTED_FORMAT) was written by a later version; everything else is damage.
 */
export function refusal(file: string, offset: number, cause: unknown): LsmError {
  const { message } = cause as Error;
  if (!(cause instanceof LsmError) || cause.code !== 'UNSUPPORTED_FORMAT')
    return corruption(file, offset, message);
  return new LsmError('UNSUPPORTED_FORMAT', `${file} has, at byte ${offset}, ${message}`, { file, offset });
}

/**
 * An error for a file, or a part of it, whose checksum is right and whose format version is another one.
 * @param what the file and what it has: `/db/000001.sst is a table`
 */
export function otherFormat(
  what: string,
  format: number,
  known: number,
  place: { readonly file: string; readonly offset: number },
): LsmError {
  const advice =
    format > known
      ? 'open the folder with the later version that wrote it'
      : 'open the folder with the version that wrote it, and write its entries into a new folder with this one';
  return new LsmError(
    'UNSUPPORTED_FORMAT',
    `${what} of format ${format}, and this version reads format ${known}: ${advice}`,
    place,
  );
}

/**
 * What goes through the rings between main and the pool threads, besides the writer's requests (those are log
 * records, see log/write-operation.ts). All integers little-endian u32 unless said otherwise.
 *
 * Reader requests, the frame's tag naming the request:
 *   get   u8 op=1, u8 0, u16 keyLength, superVersionId, hash, level, index, ordinal, cacheStart (NO_CACHE: none), key
 *   page  u8 op=2, u8 flags, u16 startLength, superVersionId, generation, limit, maxBytes, maxEntries,
 *         u16 endLength, u16 encoder, now in ms low, high, start, end
 *   wake  u8 op=3: wakes the thread, no response
 * Reader responses, tag as in the request:
 *   get   u8 status, u8 cached (the block is in its cache slot), u16 0, then the record or the error
 *   page  u8 status, u8 done, u16 resumeLength, entries as in iterator/page.ts or encoded, resume key;
 *         or the error behind the first four bytes
 * Writer responses, tag saying which:
 *   completions  count × (tag, status, met timestamp low, high, met writer)
 *   rotated      generation now being written
 *   fault        the error
 *   begun        generation of the first log, which is durable with its name
 *   failing      the error that writes fail with from now on; empty: they go well again
 * An error is JSON: code, message, file, offset.
 */
import { LsmError, type LsmErrorCode } from '../errors.ts';
import { readUint53, writeUint32, writeUint53 } from '../format/integers.ts';

export const ReaderOp = { get: 1, page: 2, wake: 3 } as const;
export const GET_HEADER_BYTES = 28;
export const PAGE_HEADER_BYTES = 36;
export const NO_CACHE = 0xffffffff;
export const PageFlag = { hasEnd: 1, includeTombstones: 2 } as const;

export const ReadStatus = { absent: 0, found: 1, failed: 2 } as const;
export const RESPONSE_HEADER_BYTES = 4;

export const WriterTag = { completions: 0, rotated: 1, fault: 2, failing: 3, begun: 4 } as const;
export const COMPLETION_BYTES = 20;
/** Statuses of a write: 0 and 1 as in the public WriteStatus, then what made it fail. */
export const WriteCode = {
  applied: 0,
  stale: 1,
  overloaded: 2,
  noSpace: 3,
  poisoned: 4,
  ioError: 5,
  corruption: 6,
  readOnly: 7,
  expired: 8,
} as const;
export type WriteCode = (typeof WriteCode)[keyof typeof WriteCode];

const CODE_OF_ERROR: Partial<Record<LsmErrorCode, WriteCode>> = {
  OVERLOADED: WriteCode.overloaded,
  NO_SPACE: WriteCode.noSpace,
  POISONED: WriteCode.poisoned,
  CORRUPTION: WriteCode.corruption,
  READ_ONLY: WriteCode.readOnly,
};

export function writeCodeOf(error: LsmError): WriteCode {
  return CODE_OF_ERROR[error.code] ?? WriteCode.ioError;
}

const ERROR_OF_CODE: readonly LsmError[] = [
  new LsmError('IO_ERROR', 'not an error'),
  new LsmError('IO_ERROR', 'not an error'),
  new LsmError('OVERLOADED', 'writes come faster than the disk takes them: try again later'),
  new LsmError('NO_SPACE', 'the disk is full: writes are refused until there is room'),
  new LsmError(
    'POISONED',
    'a sync failed, so nothing is acknowledged any more: restart when the disk is sound',
  ),
  new LsmError('IO_ERROR', 'the log could not be written'),
  new LsmError('CORRUPTION', 'a table that the write had to look into is damaged'),
  new LsmError('READ_ONLY', 'the file system is read-only: writes are refused until it takes them again'),
  new LsmError('OVERLOADED', 'the time of the write was over before it was its turn: it was not written'),
];

/** One error object a code: a failing disk fails many writes, and their stacks say nothing. */
export function errorOfWriteCode(code: number): LsmError {
  return ERROR_OF_CODE[code] ?? ERROR_OF_CODE[WriteCode.ioError];
}

export function toLsmError(error: unknown, doing: string): LsmError {
  if (error instanceof LsmError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new LsmError('IO_ERROR', `${doing}: ${message}`, { cause: error });
}

export function encodeError(error: LsmError): Buffer {
  const { code, message, file, offset, systemCode } = error;
  return Buffer.from(JSON.stringify({ code, message, file, offset, systemCode }));
}

export function decodeError(bytes: Uint8Array): LsmError {
  const { code, message, file, offset, systemCode } = JSON.parse(Buffer.from(bytes).toString());
  return new LsmError(code, message, {
    ...(file && { file }),
    ...(offset !== undefined && { offset }),
    ...(systemCode && { cause: { code: systemCode } }),
  });
}

export function writeCompletion(
  bytes: Uint8Array,
  at: number,
  tag: number,
  code: WriteCode,
  metTimestamp: number,
  metWriter: number,
): void {
  writeUint32(bytes, at, tag);
  writeUint32(bytes, at + 4, code);
  writeUint53(bytes, at + 8, metTimestamp);
  writeUint32(bytes, at + 16, metWriter);
}

export function completionTimestamp(bytes: Uint8Array, at: number): number {
  return readUint53(bytes, at + 8);
}

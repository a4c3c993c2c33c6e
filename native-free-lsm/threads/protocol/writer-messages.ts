/**
 * What main and the writer thread say to each other: payloads of frames in their two rings. Integers are little-endian.
 *
 * Requests, from main, are write operations: they go to the log as they lie in the ring, so log/write-operation.ts has
 * their encode and decode. The tag of a request's frame comes back with its completion; beside the ring lies the time
 * after which it is not begun any more (shared/write-deadlines.ts). A wake is an empty batch with the tag NO_CALL.
 *
 * Answers, from the writer, told apart by the tag of their frame (WriterAnswerKind):
 *   completions  count × (u32 tag, u32 write code, u53 met timestamp, u32 met writer)
 *   rotated      u32 generation
 *   begun        u32 generation
 *   failing      error (errors.ts), or nothing
 *   fault        error
 *   damaged      error
 *
 * Encoding and decoding make no objects but for errors. Pure.
 */
import { LsmError, type LsmErrorCode } from '../../errors.ts';
import { readUint32, readUint53, writeUint32, writeUint53 } from '../../format/integers.ts';
import { batchOperationBytes, encodeBatch } from '../../log/write-operation.ts';
import { decodeError, encodeError } from './errors.ts';

const NO_PUTS = [] as const;
export const WRITER_WAKE_BYTES = batchOperationBytes(NO_PUTS);

/** A request to look at the control words, and whether writes go well now. Its tag is NO_CALL. */
export function encodeWriterWake(target: Uint8Array, at: number): void {
  encodeBatch(target, at, NO_PUTS);
}

export const WriterAnswerKind = {
  completions: 0,
  /** The writer has gone over to a memtable and a log of this generation. */
  rotated: 1,
  /** Nothing is acknowledged any more. */
  fault: 2,
  /** Writes fail with this error from now on; without one: they go well again. */
  failing: 3,
  /** The first log of this run is there, durable with its name. */
  begun: 4,
  /** A table that a write had to look into is damaged. */
  damaged: 5,
} as const;

/** What became of a write: 0 and 1 as in the public WriteStatus, then what made it fail. */
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
  /** A condition is not met: the version is that of its key, 0 for none, and in place of a writer stands its number. */
  unmet: 9,
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
  new LsmError(
    'OVERLOADED',
    'the disk takes writes more slowly than they come, or none at all, which the conditions of the engine say: try again later',
  ),
  new LsmError('NO_SPACE', 'the disk is full: writes are refused until there is room'),
  new LsmError(
    'POISONED',
    'a sync failed, so nothing is acknowledged any more: restart when the disk is sound',
  ),
  new LsmError(
    'IO_ERROR',
    'the log could not be written, or a table that the write had to look into could not be read',
  ),
  new LsmError(
    'CORRUPTION',
    'a table that the write had to look into is damaged: the conditions of the engine name it',
  ),
  new LsmError('READ_ONLY', 'the file system is read-only: writes are refused until it takes them again'),
  new LsmError('OVERLOADED', 'the time of the write was over before it was its turn: it was not written'),
];

/** One error object for each code: a failing disk fails many writes, and their stacks say nothing. */
export function errorOfWriteCode(code: number): LsmError {
  return ERROR_OF_CODE[code] ?? ERROR_OF_CODE[WriteCode.ioError];
}

export const COMPLETION_BYTES = 20;

/** One of a frame of completions, as decoded. */
export class Completion {
  tag = 0;
  code = 0;
  /** Version of the key that the write met; 0: it met none, or did not have to look. */
  metTimestamp = 0;
  metWriter = 0;
}

export function encodeCompletion(
  target: Uint8Array,
  at: number,
  tag: number,
  code: WriteCode,
  metTimestamp: number,
  metWriter: number,
): void {
  writeUint32(target, at, tag);
  writeUint32(target, at + 4, code);
  writeUint53(target, at + 8, metTimestamp);
  writeUint32(target, at + 16, metWriter);
}

export function decodeCompletion(source: Uint8Array, at: number, into: Completion): void {
  into.tag = readUint32(source, at);
  into.code = readUint32(source, at + 4);
  into.metTimestamp = readUint53(source, at + 8);
  into.metWriter = readUint32(source, at + 16);
}

export const GENERATION_BYTES = 4;

export function encodeGeneration(target: Uint8Array, at: number, generation: number): void {
  writeUint32(target, at, generation);
}

export function decodeGeneration(source: Uint8Array, at: number): number {
  return readUint32(source, at);
}

const NO_BYTES = new Uint8Array(0);

/** @param error undefined: writes go well again */
export function encodeFailing(error: LsmError | undefined): Uint8Array {
  return error === undefined ? NO_BYTES : encodeError(error);
}

export function decodeFailing(source: Uint8Array, start: number, end: number): LsmError | undefined {
  return start === end ? undefined : decodeError(source, start, end);
}

import { join } from 'node:path';
import { corruption, refusal } from '../errors.ts';
import { readUint32 } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { BatchReader } from './batch-reader.ts';
import { ALIGNMENT_BYTES, FileMagic, FRAME_HEADER_BYTES, logFileName } from './log-format.ts';
import { LogWindow } from './log-window.ts';
import { OperationCursor } from './write-operation.ts';

export interface LogReplay {
  /** Data batches replayed. */
  batches: number;
  /** The log's length, after the cut if there was one. */
  lengthBytes: number;
  /** Cut from the tail: an append that a crash had interrupted. */
  tornBytes: number;
  /** It ends with the mark of a writer that had finished. */
  clean: boolean;
}

/** The ranges are of `bytes`, which holds them during the call only. */
export type PutVisitor = (
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  recordStart: number,
  recordEnd: number,
) => void;

/**
 * Reads a log from its start and hands every put to `visit`, in the order of writing; a torn tail (see
 * `BatchReader`) is cut off durably.
 * @throws LsmError CORRUPTION with file and offset, UNSUPPORTED_FORMAT, IO_ERROR
 */
export function replayLog(
  fs: FileSystem,
  directory: string,
  generation: number,
  visit: PutVisitor,
): LogReplay {
  const path = join(directory, logFileName(generation));
  try {
    const replay = readLog(fs, path, generation, visit);
    if (replay.tornBytes > 0) cut(fs, path, replay.lengthBytes);
    return replay;
  } catch (cause) {
    throw ioFailure('read the log', path, cause);
  }
}

function readLog(fs: FileSystem, path: string, generation: number, visit: PutVisitor): LogReplay {
  const fd = fs.openReadSync(path);
  try {
    const window = new LogWindow(fs, fd, fs.sizeSync(path));
    const reader = new BatchReader(window, path, generation);
    if (!reader.readHeader(FileMagic.log)) {
      return { batches: 0, lengthBytes: 0, tornBytes: window.sizeBytes, clean: false };
    }
    const cursor = new OperationCursor();
    let batches = 0;
    for (; reader.next(); batches++) visitBatch(reader, path, cursor, visit);
    const lengthBytes = reader.offset;
    return { batches, lengthBytes, tornBytes: window.sizeBytes - lengthBytes, clean: reader.clean };
  } finally {
    fs.closeSync(fd);
  }
}

function visitBatch(reader: BatchReader, path: string, cursor: OperationCursor, visit: PutVisitor): void {
  const bytes = reader.window.bytes;
  for (let frame = reader.bodyStart; frame < reader.bodyEnd; ) {
    const start = frame + FRAME_HEADER_BYTES;
    const end = start + readUint32(bytes, frame);
    if (end > reader.bodyEnd) throw corruption(path, reader.offsetOf(frame), 'a frame leaves its batch');
    enter(cursor, bytes, start, end, path, reader.offsetOf(frame));
    while (advance(cursor, path, reader.offsetOf(frame))) {
      visit(bytes, cursor.keyStart, cursor.keyEnd, cursor.recordStart, cursor.recordEnd);
    }
    frame = (end + ALIGNMENT_BYTES - 1) & -ALIGNMENT_BYTES;
  }
}

function enter(
  cursor: OperationCursor,
  bytes: Uint8Array,
  start: number,
  end: number,
  path: string,
  offset: number,
): void {
  try {
    cursor.reset(bytes, start, end);
  } catch (cause) {
    throw refusal(path, offset, cause);
  }
}

function advance(cursor: OperationCursor, path: string, offset: number): boolean {
  try {
    return cursor.next();
  } catch (cause) {
    throw refusal(path, offset, cause);
  }
}

function cut(fs: FileSystem, path: string, lengthBytes: number): void {
  const fd = fs.openWriteSync(path);
  try {
    fs.truncateSync(fd, lengthBytes);
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

import { join } from 'node:path';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { type PutVisitor, visitPuts } from './batch-puts.ts';
import { BatchReader } from './batch-reader.ts';
import { encodeFileHeader, FileMagic, logFileName } from './log-format.ts';
import { LogWindow } from './log-window.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface LogReplay {
  /** The number of data batches that were replayed. */
  batches: number;
  /** The number of puts in them, without those that were dropped. */
  puts: number;
  /** The length without the torn tail. */
  lengthBytes: number;
  /** The length of the torn tail, an append that a crash interrupted. */
  tornBytes: number;
  /** How many zeros follow: room that its writer had made, see LogWriter. */
  roomBytes: number;
  /** Whether the log ends with the mark of a writer that had finished it. */
  clean: boolean;
  /** Whether its writer had also begun the next log. */
  continued: boolean;
  /** The log is known to be on the disk up to this offset. */
  syncedBytes: number;
}

/**
 * Reads a log from its start and hands every put to `visit`, in the order of writing, up to a torn tail (see
 * `BatchReader`). Changes nothing: see `makeDurable`.
 * @param isBegun whether it is known that the log was begun, so that it must have its header
 * @throws LsmError CORRUPTION with file and offset, UNSUPPORTED_FORMAT, IO_ERROR
 */
export function replayLog(
  fs: FileSystem,
  directory: string,
  generation: number,
  visit: PutVisitor,
  isBegun = false,
): LogReplay {
  const path = join(directory, logFileName(generation));
  try {
    return readLog(fs, path, generation, visit, isBegun);
  } catch (cause) {
    throw ioFailure('read the log', path, cause);
  }
}

function readLog(
  fs: FileSystem,
  path: string,
  generation: number,
  visit: PutVisitor,
  isBegun: boolean,
): LogReplay {
  const fd = fs.openReadSync(path);
  try {
    const window = new LogWindow(fs, fd, fs.sizeSync(path));
    const reader = new BatchReader(window, path, generation);
    if (!reader.readHeader(FileMagic.log, isBegun)) {
      const tornBytes = window.sizeBytes;
      return {
        batches: 0,
        puts: 0,
        lengthBytes: 0,
        tornBytes,
        roomBytes: 0,
        clean: false,
        continued: false,
        syncedBytes: 0,
      };
    }
    let batches = 0;
    let puts = 0;
    for (; reader.next(); batches++) puts += visitPuts(reader, path, visit);
    const { clean, continued, offset: lengthBytes, syncedBytes } = reader;
    const tornBytes = reader.tornBytes();
    const roomBytes = window.sizeBytes - lengthBytes - tornBytes;
    return { batches, puts, lengthBytes, tornBytes, roomBytes, clean, continued, syncedBytes };
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Cuts off a log's torn tail and the room behind it, and makes durable what was read of the log: a killed process may
 * have left it only in the page cache, and a power loss must not take what readers see and later versions are compared
 * with.
 *
 * What is not known to be on the disk is first written again: after a failed sync the system takes such pages for
 * clean, and a sync alone would do nothing.
 * @throws LsmError NO_SPACE, READ_ONLY, IO_ERROR: it may be tried again
 */
export function makeDurable(fs: FileSystem, directory: string, generation: number, replay: LogReplay): void {
  if (replay.clean) return;
  const path = join(directory, logFileName(generation));
  const { lengthBytes, roomBytes, syncedBytes, tornBytes } = replay;
  try {
    const fd = fs.openWriteSync(path);
    try {
      if (tornBytes + roomBytes > 0) fs.truncateSync(fd, lengthBytes);
      // A log whose creation was interrupted is an empty log from now on: the manifest will say that it was begun.
      if (lengthBytes === 0) fs.writeSync(fd, [encodeFileHeader(FileMagic.log, generation)], 0);
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(0, lengthBytes - syncedBytes)));
      for (let at = syncedBytes, count = 0; at < lengthBytes; at += count) {
        count = fs.readSync(fd, chunk, 0, Math.min(chunk.length, lengthBytes - at), at);
        if (count === 0) throw new Error(`the file ended below ${lengthBytes} bytes while it was read`);
        fs.writeSync(fd, [chunk.subarray(0, count)], at);
      }
      fs.fdatasyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch (cause) {
    throw ioFailure('make durable the log', path, cause);
  }
}

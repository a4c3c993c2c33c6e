import { corruption, refusal } from '../errors.ts';
import { frameLength, nextFrame, payloadStart } from '../format/frame.ts';
import type { BatchReader } from './batch-reader.ts';
import { OperationCursor } from './write-operation.ts';

/** The ranges are in `bytes`, which is valid only during the call. */
export type PutVisitor = (
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  recordStart: number,
  recordEnd: number,
  /** Of a range tombstone, which begins at the key: where its end key starts, or -1. Undefined: a put. */
  rangeEndStart?: number,
) => void;

/**
 * Hands the puts of the reader's current batch to `visit`, in the order of writing, except those that were dropped.
 * @returns how many there were
 * @throws LsmError CORRUPTION or UNSUPPORTED_FORMAT when the batch holds something that is no operation although its
 *   checksum is right; the puts before it have been visited
 */
export function visitPuts(reader: BatchReader, path: string, visit: PutVisitor): number {
  const { bodyEnd, bodyStart, window } = reader;
  const { bytes } = window;
  const cursor = new OperationCursor();
  let puts = 0;
  for (let frame = bodyStart; frame < bodyEnd; frame = nextFrame(bytes, frame)) {
    const offset = reader.offsetOf(frame);
    const start = payloadStart(frame);
    const end = start + frameLength(bytes, frame);
    if (end > bodyEnd) throw corruption(path, offset, 'a frame leaves its batch');
    enter(cursor, bytes, start, end, path, offset);
    while (advance(cursor, path, offset)) {
      const rangeEndStart = cursor.isRange ? cursor.rangeEndStart : undefined;
      visit(bytes, cursor.keyStart, cursor.keyEnd, cursor.recordStart, cursor.recordEnd, rangeEndStart);
      puts++;
    }
  }
  return puts;
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

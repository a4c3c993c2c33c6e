/** The run of writes that the writer is working on, as it lies in the ring. */

import { frameLength, frameTag, nextFrame, payloadStart } from '../format/frame.ts';
import type { OperationCursor } from '../log/write-operation.ts';
import { Memtable } from '../memtable/memtable.ts';
import type { RingConsumer } from '../shared/ring.ts';
import type { WriteDeadlines } from '../shared/write-deadlines.ts';

/** Moves the cursor before the first put of a write. */
export function enterFrame(cursor: OperationCursor, bytes: Uint8Array, frame: number): OperationCursor {
  const start = payloadStart(frame);
  cursor.reset(bytes, start, start + frameLength(bytes, frame));
  return cursor;
}

/** How many bytes of a memtable the run needs at most. */
export function runEntryBytes({ bytes, runStart, runEnd }: RingConsumer, scratch: OperationCursor): number {
  let needed = 0;
  for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
    const cursor = enterFrame(scratch, bytes, at);
    while (cursor.next()) {
      const keyBytes = cursor.keyEnd - cursor.keyStart;
      const recordBytes = cursor.recordEnd - cursor.recordStart;
      needed += cursor.isRange
        ? Memtable.rangeBytes(keyBytes, recordBytes)
        : Memtable.entryBytes(keyBytes, recordBytes);
    }
  }
  return needed;
}

/**
 * Cuts the run so that the time of all its writes is over, or of none: a write that nobody waits for any more must not
 * use the disk that others wait for.
 * @returns whether the time of the writes in the run is over
 */
export function cutRunToOneFate(run: RingConsumer, deadlines: WriteDeadlines, nowMs: number): boolean {
  const { bytes, runStart, runEnd } = run;
  const isOver = deadlines.isOver(frameTag(bytes, runStart), nowMs);
  let frames = 1;
  for (let at = nextFrame(bytes, runStart); at < runEnd; at = nextFrame(bytes, at)) {
    if (deadlines.isOver(frameTag(bytes, at), nowMs) !== isOver) {
      run.cutRun(at, frames);
      break;
    }
    frames++;
  }
  return isOver;
}

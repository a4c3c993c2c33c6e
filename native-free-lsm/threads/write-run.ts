/** The run of writes that the writer is working on, as it lies in the ring. */

import { frameLength, frameTag, nextFrame, payloadStart } from '../format/frame.ts';
import { recordTimestamp } from '../format/record.ts';
import { OperationCursor } from '../log/write-operation.ts';
import { Memtable } from '../memtable/memtable.ts';
import type { RingConsumer } from '../shared/ring.ts';
import type { WriteDeadlines } from '../shared/write-deadlines.ts';

/** Moves the cursor before the first put of a write. */
export function enterFrame(cursor: OperationCursor, bytes: Uint8Array, frame: number): OperationCursor {
  const start = payloadStart(frame);
  cursor.reset(bytes, start, start + frameLength(bytes, frame));
  return cursor;
}

/** What is in a run, found out in one walk before it is written. */
export class RunContent {
  /** How many bytes of a memtable it needs at most. */
  entryBytes = 0;
  puts = 0;
  /** The smallest timestamp of its puts; infinite: it has none. */
  smallestTimestamp = Number.POSITIVE_INFINITY;
  /** Whether it has writes that depend on what their keys have. */
  hasConditions = false;
  hasRanges = false;
  readonly #cursor = new OperationCursor();

  take({ bytes, runStart, runEnd }: RingConsumer): void {
    let entryBytes = 0;
    let puts = 0;
    let smallestTimestamp = Number.POSITIVE_INFINITY;
    this.hasConditions = false;
    this.hasRanges = false;
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      const cursor = enterFrame(this.#cursor, bytes, at);
      if (cursor.conditions > 0) this.hasConditions = true;
      while (cursor.next()) {
        const keyBytes = cursor.keyEnd - cursor.keyStart;
        const recordBytes = cursor.recordEnd - cursor.recordStart;
        if (cursor.isRange) {
          this.hasRanges = true;
          entryBytes += Memtable.rangeBytes(keyBytes, recordBytes);
        } else {
          puts++;
          entryBytes += Memtable.entryBytes(keyBytes, recordBytes);
          const timestamp = recordTimestamp(bytes, cursor.recordStart);
          if (timestamp < smallestTimestamp) smallestTimestamp = timestamp;
        }
      }
    }
    this.entryBytes = entryBytes;
    this.puts = puts;
    this.smallestTimestamp = smallestTimestamp;
  }
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

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

const FIRST_FRAMES = 64;
const FIRST_OPERATIONS = 1024;
/** For each operation of a run four words: see RunContent. */
const WORDS = 4;
/** In place of where the end of a range tombstone lies. */
const IS_PUT = -2;

/** What is in a run, found out in one walk before it is written, and where its puts and range tombstones lie. */
export class RunContent {
  /** How many bytes of a memtable it needs at most. */
  entryBytes = 0;
  puts = 0;
  /** The smallest timestamp of its puts; infinite: it has none. */
  smallestTimestamp = Number.POSITIVE_INFINITY;
  /** Whether it has writes that depend on what their keys have. */
  hasConditions = false;
  hasRanges = false;
  /** How many puts and range tombstones it has, those that were dropped not counted. */
  operations = 0;
  readonly #cursor = new OperationCursor();
  /** Where the key starts, where it ends and the record starts, where that ends, and the end of a range or IS_PUT. */
  #places = new Int32Array(WORDS * FIRST_OPERATIONS);
  /** By frame, how many operations there are up to its end. */
  #ends = new Int32Array(FIRST_FRAMES);

  take({ bytes, runStart, runEnd }: RingConsumer): void {
    let entryBytes = 0;
    let operations = 0;
    let puts = 0;
    let frames = 0;
    let smallestTimestamp = Number.POSITIVE_INFINITY;
    this.hasConditions = false;
    this.hasRanges = false;
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      const cursor = enterFrame(this.#cursor, bytes, at);
      if (cursor.conditions > 0) this.hasConditions = true;
      while (cursor.next()) {
        const { isRange, keyEnd, keyStart, recordEnd, recordStart } = cursor;
        if (isRange) {
          this.hasRanges = true;
          entryBytes += Memtable.rangeBytes(keyEnd - keyStart, recordEnd - recordStart);
        } else {
          puts++;
          entryBytes += Memtable.entryBytes(keyEnd - keyStart, recordEnd - recordStart);
          const timestamp = recordTimestamp(bytes, recordStart);
          if (timestamp < smallestTimestamp) smallestTimestamp = timestamp;
        }
        const place = operations++ * WORDS;
        if (place === this.#places.length) this.#places = doubled(this.#places);
        const places = this.#places;
        places[place] = keyStart;
        places[place + 1] = recordStart;
        places[place + 2] = recordEnd;
        places[place + 3] = isRange ? cursor.rangeEndStart : IS_PUT;
      }
      if (frames === this.#ends.length) this.#ends = doubled(this.#ends);
      this.#ends[frames++] = operations;
    }
    this.entryBytes = entryBytes;
    this.operations = operations;
    this.puts = puts;
    this.smallestTimestamp = smallestTimestamp;
  }

  /** How many operations there are up to the end of a frame, counted from 0. */
  endOf(frame: number): number {
    return this.#ends[frame];
  }

  isRange(operation: number): boolean {
    return this.#places[operation * WORDS + 3] !== IS_PUT;
  }

  keyStart(operation: number): number {
    return this.#places[operation * WORDS];
  }

  /** Where the key ends, too. */
  recordStart(operation: number): number {
    return this.#places[operation * WORDS + 1];
  }

  recordEnd(operation: number): number {
    return this.#places[operation * WORDS + 2];
  }

  /** Where the end key of a range tombstone starts; it ends with the record. -1: it goes to the last key. */
  rangeEndStart(operation: number): number {
    return this.#places[operation * WORDS + 3];
  }
}

function doubled(words: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * words.length);
  larger.set(words);
  return larger;
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

/**
 * Requests in shared memory, whose answers come from several threads. All offsets are here.
 *
 * A request has a line of the processor's cache for its counts, which every answer changes, and behind it a slot a
 * replica. Those who write:
 *
 *   word 0    on arrival: how many answers count; slots: one bit for each position whose answer counts   any thread
 *   word 1    how many answers are failures                                                              any thread
 *   word 2    on arrival: the position of the freshest answer, plus 1; 0: there is none yet               any thread
 *   slot i    timestamp (f64) and writer (i32) of position i            the thread that brings its answer, once
 *
 * Slots have no atomic accesses: a slot is read only by who has found in word 0 or 2 that it was written.
 */
const LINE_BYTES = 64;
const SLOT_BYTES = 16;
const WORD_BYTES = 4;
const DOUBLE_BYTES = 8;

export const COUNT_WORD = 0;
export const FAILURES_WORD = 1;
export const FRESHEST_WORD = 2;
const LINE_WORDS = LINE_BYTES / WORD_BYTES;
const SLOT_WORDS = SLOT_BYTES / WORD_BYTES;
const WRITER_WORD = 2;

export class SharedRequests {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #doubles: Float64Array<SharedArrayBuffer>;
  readonly #requestWords: number;

  constructor(memory: SharedArrayBuffer, replicas: number) {
    this.memory = memory;
    this.words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#requestWords = requestBytes(replicas) / WORD_BYTES;
  }

  static create(requests: number, replicas: number): SharedRequests {
    return new SharedRequests(new SharedArrayBuffer(requests * requestBytes(replicas)), replicas);
  }

  get count(): number {
    return this.words.length / this.#requestWords;
  }

  /** The index in `words` at which a request begins. */
  startOf(request: number): number {
    return request * this.#requestWords;
  }

  writeSlot(start: number, position: number, timestamp: number, writer: number): void {
    const slot = start + LINE_WORDS + position * SLOT_WORDS;
    this.#doubles[(slot * WORD_BYTES) / DOUBLE_BYTES] = timestamp;
    this.words[slot + WRITER_WORD] = writer;
  }

  timestampOf(start: number, position: number): number {
    return this.#doubles[((start + LINE_WORDS + position * SLOT_WORDS) * WORD_BYTES) / DOUBLE_BYTES];
  }

  writerOf(start: number, position: number): number {
    return this.words[start + LINE_WORDS + position * SLOT_WORDS + WRITER_WORD];
  }

  /** For new requests, while no thread is at work. */
  clear(): void {
    this.words.fill(0);
  }
}

/** Whole lines, so that two requests have none in common. */
function requestBytes(replicas: number): number {
  return LINE_BYTES + Math.ceil((replicas * SLOT_BYTES) / LINE_BYTES) * LINE_BYTES;
}

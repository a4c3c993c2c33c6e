/**
 * When the time of each write in the writer's ring is over, by the tag of its frame: beside the ring and not in it,
 * because frames go to the log as they lie. Main writes an entry before it publishes the frame and not again until
 * the frame is answered; the writer reads it after it has seen the frame. So the ring orders these plain accesses.
 */
export class WriteDeadlines {
  readonly #deadlinesMs: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#deadlinesMs = new Float64Array(memory);
  }

  static allocate(writes: number): SharedArrayBuffer {
    return new SharedArrayBuffer(writes * Float64Array.BYTES_PER_ELEMENT);
  }

  /** @param deadlineMs of the executor's monotonic time; infinite for a write that may take as long as it takes */
  set(tag: number, deadlineMs: number): void {
    this.#deadlinesMs[tag] = deadlineMs;
  }

  /** Also of a tag that no write has: its time is never over. */
  isOver(tag: number, nowMs: number): boolean {
    return this.#deadlinesMs[tag] <= nowMs;
  }
}

import { NO_CALL } from '../call-table.ts';

/**
 * The deadline of each write in the writer's ring, by the tag of its frame. It is beside the ring and not in it,
 * because frames go to the log unchanged. Main writes an entry before it publishes the frame, and not again until the
 * frame is answered; the writer reads it after it has seen the frame. So the ring orders these plain accesses.
 */
export class WriteDeadlines {
  readonly #deadlinesMs: Float64Array;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.#deadlinesMs = new Float64Array(memory);
    this.#mask = this.#deadlinesMs.length - 1;
  }

  /** @param slots a power of two modulo which the tags of writes under way differ, see CallTable.slotsFor */
  static allocate(slots: number): SharedArrayBuffer {
    return new SharedArrayBuffer(slots * Float64Array.BYTES_PER_ELEMENT);
  }

  /** @param deadlineMs in the executor's monotonic time; infinite for a write without a deadline */
  set(tag: number, deadlineMs: number): void {
    this.#deadlinesMs[tag & this.#mask] = deadlineMs;
  }

  /** The time of a request that nobody waits for is never over. */
  isOver(tag: number, nowMs: number): boolean {
    return tag !== NO_CALL && this.#deadlinesMs[tag & this.#mask] <= nowMs;
  }
}

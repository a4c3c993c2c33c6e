/**
 * Whether a client reads what the node holds for it fast enough: bytes buy time. A reader starts with all the time that
 * it may have. While the node waits for it the time runs out, and every byte that it takes gives back as much time as
 * that byte takes at the least rate allowed, but never more than it started with. So a reader above that rate is never
 * too slow, one that stops is too slow when the whole time has passed, and one below the rate lasts longer the nearer it
 * is to it. Pure.
 *
 * Two measures are taken, and the better counts. What the kernel *took* costs nothing to ask for, but a kernel that
 * buffers megabytes takes nothing for a minute and then much at once, while its reader is steady. What the client's
 * side *acknowledged* is smooth and dear to ask for (`unacknowledged.ts`), so it is asked for only in doubt.
 */
export interface ReaderLimits {
  /** How long a reader may take nothing. */
  readonly timeoutMs: number;
  readonly minBytesPerSecond: number;
}

/** The part of its time that a reader spends before there is doubt. */
const DOUBT_SHARE = 1 / 8;
const UNKNOWN = -1;

export class ReaderProgress {
  readonly #timeoutMs: number;
  readonly #msPerByte: number;
  #takenBytes: number;
  #leftByTakenMs: number;
  #acknowledgedBytes = UNKNOWN;
  #leftByAcknowledgedMs = 0;

  /** @param takenBytes so far: they do not count */
  constructor({ timeoutMs, minBytesPerSecond }: ReaderLimits, takenBytes: number) {
    this.#timeoutMs = timeoutMs;
    this.#msPerByte = 1000 / minBytesPerSecond;
    this.#takenBytes = takenBytes;
    this.#leftByTakenMs = timeoutMs;
  }

  get isTooSlow(): boolean {
    return (
      this.#leftByTakenMs <= 0 && (this.#acknowledgedBytes === UNKNOWN || this.#leftByAcknowledgedMs <= 0)
    );
  }

  /** `noteAcknowledged` would help to tell. */
  get isInDoubt(): boolean {
    return this.#leftByTakenMs <= (1 - DOUBT_SHARE) * this.#timeoutMs;
  }

  /**
   * @param waitedMs how long the node has waited for the reader since the last note
   * @param takenBytes by the kernel, in all
   */
  noteTaken(waitedMs: number, takenBytes: number): void {
    this.#leftByTakenMs = this.#paid(this.#leftByTakenMs - waitedMs, takenBytes - this.#takenBytes);
    this.#takenBytes = takenBytes;
    if (this.#acknowledgedBytes === UNKNOWN) return;
    if (this.#leftByTakenMs === this.#timeoutMs) this.#acknowledgedBytes = UNKNOWN;
    else this.#leftByAcknowledgedMs -= waitedMs;
  }

  /** @param acknowledgedBytes by the client's side, in all, at least */
  noteAcknowledged(acknowledgedBytes: number): void {
    if (this.#acknowledgedBytes === UNKNOWN) {
      this.#leftByAcknowledgedMs = this.#leftByTakenMs;
      this.#acknowledgedBytes = acknowledgedBytes;
    } else if (acknowledgedBytes > this.#acknowledgedBytes) {
      const bytes = acknowledgedBytes - this.#acknowledgedBytes;
      this.#leftByAcknowledgedMs = this.#paid(this.#leftByAcknowledgedMs, bytes);
      this.#acknowledgedBytes = acknowledgedBytes;
    }
  }

  #paid(leftMs: number, bytes: number): number {
    return Math.min(leftMs + bytes * this.#msPerByte, this.#timeoutMs);
  }
}

/**
 * How long to wait for the answer to a datagram before it counts as lost: the smoothed time of answers and four times
 * their deviation, as TCP does it (RFC 6298). Pure.
 */
const INITIAL_MS = 50;
/** Answers wait for a disk, whose time varies: what is given up sooner was mostly not lost. */
const MIN_MS = 20;
const MAX_MS = 200;

export class ReplyTime {
  patienceMs = INITIAL_MS;
  #smoothedMs = 0;
  #deviationMs = 0;

  /** An answer came that nothing but the datagram can have brought. */
  heard(ms: number): void {
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = ms;
      this.#deviationMs = ms / 2;
    } else {
      this.#deviationMs += (Math.abs(ms - this.#smoothedMs) - this.#deviationMs) / 4;
      this.#smoothedMs += (ms - this.#smoothedMs) / 8;
    }
    const patienceMs = this.#smoothedMs + 4 * this.#deviationMs;
    this.patienceMs = Math.min(Math.max(patienceMs, MIN_MS), MAX_MS);
  }

  /** The patience was too short, or the datagram was lost: nobody can tell, so the next one is given more. */
  missed(): void {
    this.patienceMs = Math.min(2 * this.patienceMs, MAX_MS);
  }
}

/** So many a second, and a few at once after a while without any. Pure. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #most: number;
  #tokens: number;
  #atMs = 0;

  /** @param most at once: at least 1 */
  constructor(perSecond: number, most: number) {
    this.#perSecond = perSecond;
    this.#most = most;
    this.#tokens = most;
  }

  /** Takes tokens if there is at least one; those that are missing are owed. False when there is none. */
  take(nowMs: number, tokens = 1): boolean {
    this.#tokens = Math.min(this.#most, this.#tokens + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= tokens;
    return true;
  }

  /** Takes some, whether they are there or not. */
  spend(tokens: number): void {
    this.#tokens -= tokens;
  }

  /** Takes all. */
  empty(nowMs: number): void {
    this.#tokens = 0;
    this.#atMs = nowMs;
  }
}

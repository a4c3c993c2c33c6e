import type { Clock } from './clock.ts';

/** Lets one message through per period and counts those it kept back, so that no peer can fill the log. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #periodMs: number;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  #keptBack = 0;

  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /** @returns how many messages were kept back since the last one let through, or -1: keep this one back too */
  admit(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextAtMs) {
      this.#keptBack++;
      return -1;
    }
    this.#nextAtMs = nowMs + this.#periodMs;
    const keptBack = this.#keptBack;
    this.#keptBack = 0;
    return keptBack;
  }
}

/** What a message says of those that a `RateLimit` kept back before it. */
export function andMore(keptBack: number): string {
  return keptBack === 0 ? '' : ` (and ${keptBack} more since the last such message)`;
}

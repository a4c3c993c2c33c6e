import type { Clock } from '../../clock.ts';
import { pause } from '../pause.ts';

/** How long nothing may be taken after which the most may be taken at once. */
const BURST_MS = 250;

/**
 * Lets so many bytes through a second, over any time that is not very short. Who takes more than there are has them,
 * and the next one waits.
 */
export class ByteThrottle {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  /** Up to when what was taken lasts. */
  #busyUntilMs = 0;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1_000;
  }

  /** Resolves when the bytes may be moved; rejects with the signal's reason. */
  take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const nowMs = this.#clock.monotonicMs();
    const waitMs = this.#busyUntilMs - nowMs;
    this.#busyUntilMs = Math.max(this.#busyUntilMs, nowMs - BURST_MS) + bytes / this.#bytesPerMs;
    return waitMs <= 0 ? Promise.resolve() : pause(this.#clock, waitMs, signal);
  }
}

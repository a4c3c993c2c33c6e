import type { Clock } from '../clock.ts';
import { pause } from './pause.ts';

/** How long nothing may be taken after which the most may be taken at once. */
const BURST_MS = 250;

/**
 * Lets so many bytes through a second, over any time that is not very short, for all who share it. Who takes more than
 * there are has them, and those who come next wait until they are paid for. Each waits for what was taken before it came,
 * and for nothing later: so nobody waits for ever beside others who take much.
 */
export class ByteThrottle {
  readonly #clock: Pick<Clock, 'after' | 'monotonicMs'>;
  readonly #bytesPerMs: number;
  /** Up to when what was taken lasts. */
  #busyUntilMs = 0;

  /** @param bytesPerSecond infinite: there is no bound */
  constructor(clock: Pick<Clock, 'after' | 'monotonicMs'>, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1_000;
  }

  /** How long one who comes now has to wait; 0: not at all. */
  get waitMs(): number {
    return Math.max(this.#busyUntilMs - this.#clock.monotonicMs(), 0);
  }

  /** Resolves when what was taken before is paid for; rejects with the signal's reason. */
  wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { waitMs } = this;
    return waitMs === 0 ? Promise.resolve() : pause(this.#clock, waitMs, signal);
  }

  /** Takes bytes, whether they are there or not. */
  take(bytes: number): void {
    const earliestMs = this.#clock.monotonicMs() - BURST_MS;
    this.#busyUntilMs = Math.max(this.#busyUntilMs, earliestMs) + bytes / this.#bytesPerMs;
  }
}

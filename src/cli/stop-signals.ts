/** Counts the signals that ask a command to end, as the user meant them. */
import type { Clock } from '../clock.ts';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Shorter than the time between two keystrokes, longer than that between copies of one: under `npx` and `npm run` a
 * Ctrl-C arrives from the terminal and again from npm.
 */
const SAME_STROKE_MS = 50;

export class StopSignals implements Disposable {
  readonly #clock: Clock;
  readonly #onStop: (count: number, signal: NodeJS.Signals) => void;
  #count = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  readonly #listener = (signal: NodeJS.Signals): void => this.#onSignal(signal);

  /** @param onStop called with 1 for the first signal, 2 for the second and so on */
  constructor(clock: Clock, onStop: (count: number, signal: NodeJS.Signals) => void) {
    this.#clock = clock;
    this.#onStop = onStop;
    for (const signal of STOP_SIGNALS) {
      process.on(signal, this.#listener);
    }
  }

  [Symbol.dispose](): void {
    for (const signal of STOP_SIGNALS) {
      process.off(signal, this.#listener);
    }
  }

  #onSignal(signal: NodeJS.Signals): void {
    const nowMs = this.#clock.monotonicMs();
    const isSameStroke = nowMs - this.#lastMs < SAME_STROKE_MS;
    this.#lastMs = nowMs;
    if (!isSameStroke) {
      this.#count++;
      this.#onStop(this.#count, signal);
    }
  }
}

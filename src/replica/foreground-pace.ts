/**
 * How fast work in the background goes: as fast as it can while the node has nothing else to do; while clients' requests
 * come it rests after each piece, in proportion to the time that the piece took. It never stops: a node that is always
 * busy would otherwise be incomplete, or behind, for ever.
 */
import type { Clock } from '../clock.ts';
import { pause } from './pause.ts';

/** Below it the machine has room for both. */
const BUSY_REQUESTS_PER_SECOND = 100;

interface ForegroundPaceOptions {
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>;
  /** How many requests of clients have come since the start, also by way of other nodes. */
  readonly requests: () => number;
  /** Rest for each ms of work while the node is busy. */
  readonly restShare: number;
  readonly maxRestMs: number;
}

export class ForegroundPace {
  readonly #options: ForegroundPaceOptions;
  #requests = 0;
  #sinceMs = 0;

  constructor(options: ForegroundPaceOptions) {
    this.#options = options;
  }

  /** A piece of work begins after a time without any. */
  begin(): void {
    this.#requests = this.#options.requests();
    this.#sinceMs = this.#options.clock.monotonicMs();
  }

  /** A piece is done: resolves when the next one may begin; rejects with the signal's reason. */
  async rest(signal: AbortSignal): Promise<void> {
    const { clock, maxRestMs, requests, restShare } = this.#options;
    const workedMs = clock.monotonicMs() - this.#sinceMs;
    const came = requests() - this.#requests;
    const isBusy = came * 1_000 > workedMs * BUSY_REQUESTS_PER_SECOND;
    if (isBusy && workedMs > 0) await pause(clock, Math.min(workedMs * restShare, maxRestMs), signal);
    this.begin();
  }
}

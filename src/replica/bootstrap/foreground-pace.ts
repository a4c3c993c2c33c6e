/**
 * How fast a folder is refilled: as fast as it goes while the node has nothing else to do; while clients' requests come,
 * the copy rests after each page in proportion to the time that it has worked. It never stops: a node that is always
 * busy would otherwise be incomplete for ever.
 */
import type { Clock } from '../../clock.ts';
import type { BulkPace } from './bulk-copy.ts';
import { pause } from './pause.ts';

/** Below it the machine has room for both. */
const BUSY_REQUESTS_PER_SECOND = 100;
/** Rest for each ms of work while the node is busy. */
const REST_SHARE = 1;
const MAX_REST_MS = 250;

interface ForegroundPaceOptions {
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>;
  /** How many requests of clients have come since the start, also by way of other nodes. */
  readonly requests: () => number;
}

export class ForegroundPace implements BulkPace {
  readonly #options: ForegroundPaceOptions;
  #requests = 0;
  #sinceMs = 0;

  constructor(options: ForegroundPaceOptions) {
    this.#options = options;
  }

  async take(_bytes: number, signal: AbortSignal): Promise<void> {
    const { clock, requests } = this.#options;
    const workedMs = clock.monotonicMs() - this.#sinceMs;
    const came = requests() - this.#requests;
    const isBusy = came * 1_000 > workedMs * BUSY_REQUESTS_PER_SECOND;
    if (isBusy && workedMs > 0) await pause(clock, Math.min(workedMs * REST_SHARE, MAX_REST_MS), signal);
    this.#requests = requests();
    this.#sinceMs = clock.monotonicMs();
  }
}

import { systemEngineClock } from '../clock.ts';
import { bucketOf, type SiteWaits, WAIT_BUCKETS } from './wait-figures.ts';

/** What `begin` returns while nothing is recorded. */
const NOT_RECORDED = -1;

/**
 * A place at which something waits on the main thread, without blocking it: a queue that holds something, a socket that
 * takes no more. Many may wait there at once, so their times may come to more than has passed. While nothing is recorded
 * no clock is read.
 */
export class WaitPlace {
  readonly path: readonly string[];
  #recordsSinceMs = Number.POSITIVE_INFINITY;
  #count = 0;
  #totalMs = 0;
  #underWay = 0;
  #beginningsMs = 0;
  readonly #buckets = new Array<number>(WAIT_BUCKETS).fill(0);

  constructor(path: readonly string[]) {
    this.path = path;
  }

  /** Give what it returns to `end`. */
  begin(): number {
    if (this.#recordsSinceMs === Number.POSITIVE_INFINITY) return NOT_RECORDED;
    const nowMs = systemEngineClock.monotonicMs();
    this.#underWay++;
    this.#beginningsMs += nowMs;
    return nowMs;
  }

  /** A wait is over. @param beganMs what its `begin` returned */
  end(beganMs: number): void {
    // It began before this recording, or nothing is recorded any more.
    if (beganMs < this.#recordsSinceMs) return;
    this.#underWay--;
    this.#beginningsMs -= beganMs;
    this.#add(systemEngineClock.monotonicMs() - beganMs);
  }

  /** Begins a recording, and forgets the one before. */
  record(): void {
    this.#count = 0;
    this.#totalMs = 0;
    this.#underWay = 0;
    this.#beginningsMs = 0;
    this.#buckets.fill(0);
    this.#recordsSinceMs = systemEngineClock.monotonicMs();
  }

  /** Ends the recording; those that still wait count with the time that they have waited. */
  take(): SiteWaits {
    const underWay = this.#underWay;
    const waitedMs = underWay * systemEngineClock.monotonicMs() - this.#beginningsMs;
    for (let i = 0; i < underWay; i++) this.#add(waitedMs / underWay);
    this.#underWay = 0;
    this.#beginningsMs = 0;
    this.#recordsSinceMs = Number.POSITIVE_INFINITY;
    return {
      path: this.path,
      isIdle: false,
      count: this.#count,
      totalMs: this.#totalMs,
      buckets: [...this.#buckets],
    };
  }

  #add(waitedMs: number): void {
    this.#count++;
    this.#totalMs += waitedMs;
    this.#buckets[bucketOf(waitedMs * 1000)]++;
  }
}

/** Where the engine's calls wait on the thread that has it open. */
export const ENGINE_WAITS = {
  writes: new WaitPlace(['queue', 'writes: the ring to the writer is full']),
  reads: new WaitPlace(['queue', 'reads: the rings to the readers are full']),
} as const;

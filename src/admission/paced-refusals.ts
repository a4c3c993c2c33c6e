/**
 * Refuses requests that could not be served in time. Clients that come back at once, whatever Retry-After says, could
 * keep a node busy with nothing but refusing. So it is done at once as long as there are few, and else at a pace that
 * leaves the node its work, first come first refused; nobody is kept longer than a request may take. What waits costs
 * nothing but its place.
 */
import type { Clock, TimerHandle } from '../clock.ts';
import { TokenBucket } from '../token-bucket.ts';

export interface Refusable {
  sinceMs: number;
  behind: Refusable | null;
  /** The one that waits before it. Null for the first, and for one that does not wait. */
  ahead: Refusable | null;
  /** It must be answered now. */
  onRefused(): void;
}

/** After a while without any, as many are refused at once as otherwise in so many seconds. */
const BURST_SECONDS = 0.25;
const TICK_MS = 20;

export class PacedRefusals {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #perSecond: number;
  readonly #maxWaiting: number;
  readonly #atOnce: TokenBucket;
  #first: Refusable | null = null;
  #last: Refusable | null = null;
  #waiting = 0;
  #tick: TimerHandle | null = null;

  /**
   * @param timeoutMs nobody is kept for longer
   * @param maxWaiting when so many wait, all others are refused at once
   */
  constructor(perSecond: number, timeoutMs: number, maxWaiting: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#maxWaiting = maxWaiting;
    this.#atOnce = new TokenBucket(perSecond, BURST_SECONDS * perSecond);
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting;
  }

  refuse(request: Refusable): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#first === null) {
      if (this.#atOnce.take(nowMs)) {
        request.onRefused();
        return;
      }
    } else if (this.#waiting >= this.#maxWaiting) {
      request.onRefused();
      return;
    }
    request.sinceMs = nowMs;
    request.behind = null;
    request.ahead = this.#last;
    if (this.#last === null) this.#first = request;
    else this.#last.behind = request;
    this.#last = request;
    this.#waiting++;
    this.#tick ??= this.#clock.every(TICK_MS, () => this.#onTick());
  }

  /** It has another answer, or its client is gone. Nothing happens to one that does not wait. */
  remove(request: Refusable): void {
    const { ahead, behind } = request;
    if (ahead === null && this.#first !== request) return;
    if (ahead === null) this.#first = behind;
    else ahead.behind = behind;
    if (behind === null) this.#last = ahead;
    else behind.ahead = ahead;
    request.ahead = null;
    request.behind = null;
    this.#waiting--;
    if (this.#first === null) this.#stop();
  }

  /** Refuses all that wait. */
  flush(): void {
    while (this.#first !== null) this.#refuseFirst(this.#first);
    this.#stop();
  }

  #onTick(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let left = (this.#perSecond * TICK_MS) / 1000; this.#first !== null; left--) {
      if (left <= 0 && nowMs - this.#first.sinceMs < this.#timeoutMs) return;
      this.#refuseFirst(this.#first);
    }
    this.#stop();
  }

  #refuseFirst(first: Refusable): void {
    this.#first = first.behind;
    if (this.#first === null) this.#last = null;
    else this.#first.ahead = null;
    first.behind = null;
    this.#waiting--;
    first.onRefused();
  }

  #stop(): void {
    this.#tick?.cancel();
    this.#tick = null;
    this.#atOnce.empty(this.#clock.monotonicMs());
  }
}

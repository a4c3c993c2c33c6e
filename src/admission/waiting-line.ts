/**
 * Requests of one kind. As many are served at a time as keep busy what serves them, and no more: the others wait here in
 * the order in which they came, and large values stay with their clients meanwhile. A request that would wait too long
 * is refused at once. How long it would wait follows from the bytes before it and from how fast bytes were served lately.
 * So under any overload those that are let in are answered in time, and no work is done for the others. (Little's law;
 * compare CoDel, which bounds the wait in the same way but notices only afterwards.)
 *
 * A request costs its bytes and a fixed part. The line knows no more of it, so one line is for requests that are served
 * at about the same rate.
 */
import type { Clock, TimerHandle } from '../clock.ts';
import { WAITS } from '../wait-places.ts';

interface LineLimits {
  /**
   * The least and the most that are served at a time. More at once make the turns of the event loop longer, because a
   * turn answers more of them. So there are more only where the loop has time to spare, while it waits for the disk or
   * for nodes that are far away.
   */
  readonly minRequests: number;
  readonly maxRequests: number;
  /** The most bytes of the requests that are served at a time. */
  readonly maxBytes: number;
  /** From a request's arrival to its answer. */
  readonly timeoutMs: number;
}

/** A request in the line, to which its fields belong. */
export interface Waiting {
  lineCost: number;
  sinceMs: number;
  behind: Waiting | null;
  /** It is served from now on and must `leave` when it is answered. */
  onTurn(waitedMs: number): void;
  /** It is out of the line, because it could not be answered in time any more. */
  onTurnMissed(): void;
}

export const LineEntry = { now: 0, waiting: 1, refused: 2 } as const;
export type LineEntry = (typeof LineEntry)[keyof typeof LineEntry];

export interface LineFigures {
  readonly served: number;
  readonly waiting: number;
  /** Since the start: how many were refused when they came, and how many were given up while they waited. */
  readonly refused: number;
  readonly missed: number;
  /** How fast bytes, the fixed part of each request included, were served when there was much to do. */
  readonly bytesPerSecond: number;
}

/** What a request costs beside its bytes, in bytes that would cost as much. Measured, it is between 2 KiB and 8 KiB. */
const FIXED_BYTES = 4 * 1024;
/** Until it is measured. */
const FIRST_BYTES_PER_MS = 32 * 1024;
/**
 * Bytes are let in for this share of a request's time: more of them at once are served no faster and hold up those
 * behind them, in the disk's queue, where nobody can tell any more who is in time.
 */
const SERVED_SHARE = 0.2;
/** The part of its time that a request may be expected to need when it is let in: rates change while it waits. */
const EXPECTED_SHARE = 0.7;
/** The same for two that are served at once though together they are too large: each slows the other. */
const PAIR_SHARE = 0.5;
/** At least so much is let in at a time: less would measure how long one request takes, and not the rate. */
const LEAST_COST = 1024 * 1024;
/** The loop has time to spare when it sleeps more than this share of it, and none when less. */
const SPARE_SHARE = 0.3;
const BUSY_SHARE = 0.1;
/** How often the rate is measured, and over how long its average goes. */
const SAMPLE_MS = 50;
const AVERAGE_MS = 500;

export class WaitingLine {
  readonly #limits: LineLimits;
  readonly #clock: Clock;
  readonly #idleMs: () => number;
  #served = 0;
  #servedCost = 0;
  #waiting = 0;
  #waitingCost = 0;
  /** While anybody waits. */
  #waitBeganMs = 0;
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #timer: TimerHandle | null = null;
  #isServing = false;
  #refused = 0;
  #missed = 0;
  #maxServed: number;
  #costPerMs = FIRST_BYTES_PER_MS;
  /** What may be served at a time. */
  #maxCost: number;
  /** At least half of it is being served, so what is served now shows how much can be served. */
  #isBusy = false;
  #sampleStartMs = 0;
  #sampleStartIdleMs = 0;
  #sampleCost = 0;

  /** @param idleMs for how long this thread's event loop has slept so far */
  constructor(limits: LineLimits, clock: Clock, idleMs: () => number) {
    this.#limits = limits;
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#maxCost = limits.maxBytes;
    this.#maxServed = limits.minRequests;
  }

  get figures(): LineFigures {
    return {
      served: this.#served,
      waiting: this.#waiting,
      refused: this.#refused,
      missed: this.#missed,
      bytesPerSecond: Math.round(this.#costPerMs * 1000),
    };
  }

  /** `now`: it is served and must `leave`. `waiting`: one of its calls follows. */
  enter(request: Waiting, bytes: number): LineEntry {
    const cost = FIXED_BYTES + bytes;
    if (this.#first === null && this.#hasRoom(cost)) {
      this.#take(cost);
      return LineEntry.now;
    }
    const nowMs = this.#clock.monotonicMs();
    this.#sample(nowMs);
    if (this.#expectedMs(this.#waitingCost + cost) > EXPECTED_SHARE * this.#limits.timeoutMs) {
      this.#refused++;
      return LineEntry.refused;
    }
    request.lineCost = cost;
    request.sinceMs = nowMs;
    request.behind = null;
    if (this.#last === null) this.#first = request;
    else this.#last.behind = request;
    this.#last = request;
    if (++this.#waiting === 1) this.#waitBeganMs = WAITS.line.begin();
    this.#waitingCost += cost;
    this.#timer ??= this.#clock.after(this.#limits.timeoutMs, this.#onOverdue);
    return LineEntry.waiting;
  }

  /** @param bytes with which it entered */
  leave(bytes: number): void {
    const cost = FIXED_BYTES + bytes;
    this.#served--;
    this.#servedCost -= cost;
    this.#sampleCost += cost;
    if (this.#isBusy && !this.#isHalfFull) {
      this.#sample(this.#clock.monotonicMs());
      this.#isBusy = false;
    }
    if (this.#first !== null) this.#serve();
  }

  #hasRoom(cost: number): boolean {
    if (this.#served === 0) return true;
    if (this.#served >= this.#maxServed) return false;
    if (this.#servedCost + cost <= this.#maxCost) return true;
    // Two may be served however large they are, if both are well in time: one is sent while the other is on the disk.
    return this.#served === 1 && this.#expectedMs(cost) <= PAIR_SHARE * this.#limits.timeoutMs;
  }

  get #isHalfFull(): boolean {
    return this.#served > this.#maxServed / 2 || this.#servedCost >= this.#maxCost / 2;
  }

  #take(cost: number): void {
    this.#served++;
    this.#servedCost += cost;
    if (this.#isBusy || !this.#isHalfFull) return;
    this.#isBusy = true;
    this.#beginSample(this.#clock.monotonicMs());
  }

  #beginSample(nowMs: number): void {
    this.#sampleStartMs = nowMs;
    this.#sampleStartIdleMs = this.#idleMs();
    this.#sampleCost = 0;
  }

  /** A request may be answered within its turn, and then this is called again within itself. */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      for (let next = this.#first; next !== null && this.#hasRoom(next.lineCost); next = this.#first) {
        const nowMs = this.#clock.monotonicMs();
        this.#remove(next);
        const waitedMs = nowMs - next.sinceMs;
        if (waitedMs + this.#expectedMs(next.lineCost) > this.#limits.timeoutMs) {
          this.#missed++;
          next.onTurnMissed();
        } else {
          this.#take(next.lineCost);
          next.onTurn(waitedMs);
        }
      }
    } finally {
      this.#isServing = false;
    }
  }

  /** Takes out the first. */
  #remove(first: Waiting): void {
    this.#first = first.behind;
    if (this.#first === null) this.#last = null;
    first.behind = null;
    if (--this.#waiting === 0) WAITS.line.end(this.#waitBeganMs);
    this.#waitingCost -= first.lineCost;
  }

  /** How long it takes until all that is served now, and `cost` more, has been served. */
  #expectedMs(cost: number): number {
    return (this.#servedCost + cost) / Math.max(this.#costPerMs, 1);
  }

  /** For the case that nothing is served any more: nobody leaves then, so nobody's turn comes. */
  readonly #onOverdue = (): void => {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    const { timeoutMs } = this.#limits;
    for (let first = this.#first; first !== null && nowMs - first.sinceMs >= timeoutMs; first = this.#first) {
      this.#remove(first);
      this.#missed++;
      first.onTurnMissed();
    }
    if (this.#first === null) return;
    this.#timer ??= this.#clock.after(this.#first.sinceMs + timeoutMs - nowMs, this.#onOverdue);
  };

  /** Only while enough is being served: the rate of a line with nothing to do says nothing. */
  #sample(nowMs: number): void {
    const elapsedMs = nowMs - this.#sampleStartMs;
    if (!this.#isBusy || elapsedMs < SAMPLE_MS) return;
    const weight = 1 - Math.exp(-elapsedMs / AVERAGE_MS);
    this.#costPerMs += weight * (this.#sampleCost / elapsedMs - this.#costPerMs);
    const { maxBytes, maxRequests, minRequests, timeoutMs } = this.#limits;
    const sparedShare = (this.#idleMs() - this.#sampleStartIdleMs) / elapsedMs;
    if (sparedShare > SPARE_SHARE) this.#maxServed = Math.min(maxRequests, Math.ceil(1.25 * this.#maxServed));
    else if (sparedShare < BUSY_SHARE)
      this.#maxServed = Math.max(minRequests, Math.floor(0.8 * this.#maxServed));
    this.#beginSample(nowMs);
    this.#maxCost = Math.min(maxBytes, Math.max(LEAST_COST, SERVED_SHARE * timeoutMs * this.#costPerMs));
  }
}

import type { EngineClock } from '../clock.ts';

/** Main's end of the rings to one kind of thread. */
interface RingEnd {
  /** Makes what was queued visible to the threads; returns false when nothing was. */
  publish(): boolean;
  /** Passes on what the threads have answered. */
  drain(): void;
}

interface RingTrafficEvents {
  /** Threads have something new to look at. */
  onPublished(): void;
  /** All answers that were there have been passed on. */
  onDrained(): void;
}

/**
 * Decides when main looks at the rings. What one turn of the event loop has queued is published at the end of the turn,
 * in all rings together; what threads have answered is passed on when they signal it. It knows nothing of what the
 * rings carry.
 */
export class RingTraffic {
  readonly #clock: EngineClock;
  readonly #events: RingTrafficEvents;
  readonly #ends: RingEnd[] = [];
  #isDue = false;
  #isHeld = false;

  constructor(clock: EngineClock, events: RingTrafficEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  add(end: RingEnd): void {
    this.#ends.push(end);
  }

  /** Whether nothing is published. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Publishes nothing until `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.publish();
  }

  /** Publishes at the end of this turn, with everything that is queued until then. */
  publishSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#clock.endOfTurn(this.publish);
  }

  readonly publish = (): void => {
    this.#isDue = false;
    if (this.#isHeld) return;
    let isPublished = false;
    for (const end of this.#ends) isPublished = end.publish() || isPublished;
    if (isPublished) this.#events.onPublished();
  };

  drain(): void {
    for (const end of this.#ends) end.drain();
    this.#events.onDrained();
  }
}

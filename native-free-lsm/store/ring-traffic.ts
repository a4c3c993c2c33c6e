import type { EngineClock } from '../clock.ts';

/** Main's end of the rings to a kind of thread. */
export interface RingEnd {
  /** Lets the threads see what was queued; false when nothing was. */
  publish(): boolean;
  /** Hands out what the threads have answered. */
  drain(): void;
}

export interface RingTrafficEvents {
  /** Threads have something new to look at. */
  onPublished(): void;
  /** All answers there were have been handed out. */
  onDrained(): void;
}

/**
 * When main looks at the rings. What one turn of the event loop has queued goes over at the turn's end, in all rings
 * together; what threads have answered is handed out when they say so. It knows nothing of what the rings carry.
 */
export class RingTraffic {
  readonly #clock: EngineClock;
  readonly #events: RingTrafficEvents;
  readonly #ends: RingEnd[] = [];
  #isDue = false;

  constructor(clock: EngineClock, events: RingTrafficEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  add(end: RingEnd): void {
    this.#ends.push(end);
  }

  /** At the end of this turn, with what is queued until then. */
  publishSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#clock.endOfTurn(this.publish);
  }

  readonly publish = (): void => {
    this.#isDue = false;
    let isPublished = false;
    for (const end of this.#ends) isPublished = end.publish() || isPublished;
    if (isPublished) this.#events.onPublished();
  };

  drain(): void {
    for (const end of this.#ends) end.drain();
    this.#events.onDrained();
  }
}

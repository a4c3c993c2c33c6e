/**
 * What a network does to bytes on their way, without sockets: they come later, not faster than a rate, in the order in
 * which they were sent, or not at all for a while. A `LinkDirection` is one way of a link and says what happens to
 * everything on it; each connection over the link has a `DelayLine` of its own each way.
 */
import type { Clock, TimerHandle } from '../../src/clock.ts';

/** One way of a link. A change counts for what is sent from then on; what is on its way arrives when it was to. */
export class LinkDirection {
  /** From the sender to the receiver. */
  delayMs = 0;
  /** Of all connections together; 0: without a bound. */
  bytesPerSecond = 0;
  readonly #lines = new Set<Thawed>();
  #isFrozen = false;
  /** When the link has sent what was given to it before. */
  #freeAtMs = 0;

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Nothing arrives any more, and nothing is lost: it is kept as long as there is room, and then not taken. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** What should have arrived meanwhile arrives now. */
  thaw(): void {
    this.#isFrozen = false;
    for (const line of this.#lines) line.onThaw();
  }

  /** When something of this size arrives that is sent now. */
  dueMs(nowMs: number, sizeBytes: number): number {
    if (this.bytesPerSecond === 0) return nowMs + this.delayMs;
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (sizeBytes * 1_000) / this.bytesPerSecond;
    return this.#freeAtMs + this.delayMs;
  }

  join(line: Thawed): void {
    this.#lines.add(line);
  }

  leave(line: Thawed): void {
    this.#lines.delete(line);
  }
}

/** Who waits for the end of a freeze. */
interface Thawed {
  onThaw(): void;
}

interface Entry<T> {
  readonly item: T;
  readonly sizeBytes: number;
  readonly dueMs: number;
}

/** What one connection has on its way in one direction. It has one timer, and none while nothing is on its way. */
export class DelayLine<T> implements Thawed {
  readonly #direction: LinkDirection;
  readonly #clock: Clock;
  readonly #deliver: (item: T) => boolean;
  #entries: Entry<T>[] = [];
  #queuedBytes = 0;
  #lastDueMs = 0;
  #isBlocked = false;
  #isClosed = false;
  #timer: TimerHandle | null = null;

  /** @param deliver false: the receiver has taken this and takes no more until `unblock` */
  constructor(direction: LinkDirection, clock: Clock, deliver: (item: T) => boolean) {
    this.#direction = direction;
    this.#clock = clock;
    this.#deliver = deliver;
    direction.join(this);
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  push(item: T, sizeBytes: number): void {
    if (this.#isClosed) return;
    const nowMs = this.#clock.monotonicMs();
    // A delay that has become shorter must not let anything pass what was sent before it.
    const dueMs = Math.max(this.#direction.dueMs(nowMs, sizeBytes), this.#lastDueMs);
    this.#lastDueMs = dueMs;
    this.#entries.push({ item, sizeBytes, dueMs });
    this.#queuedBytes += sizeBytes;
    if (this.#timer === null) this.#run();
  }

  unblock(): void {
    this.#isBlocked = false;
    this.#run();
  }

  onThaw(): void {
    this.#run();
  }

  /** What is on its way is lost, and whatever comes later is not taken. */
  close(): void {
    this.#direction.leave(this);
    this.#timer?.cancel();
    this.#timer = null;
    this.#entries = [];
    this.#queuedBytes = 0;
    this.#isClosed = true;
  }

  /** Delivers what is due, and sees to it that it is called again when the next is. */
  readonly #run = (): void => {
    this.#timer?.cancel();
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    let delivered = 0;
    while (delivered < this.#entries.length && !this.#isBlocked && !this.#direction.isFrozen) {
      const { dueMs, item, sizeBytes } = this.#entries[delivered];
      if (dueMs > nowMs) {
        // A timer may go off a little early: it is set to whole milliseconds.
        this.#timer = this.#clock.after(Math.ceil(dueMs - nowMs), this.#run);
        break;
      }
      delivered++;
      this.#queuedBytes -= sizeBytes;
      this.#isBlocked = !this.#deliver(item);
    }
    this.#entries.splice(0, delivered);
  };
}

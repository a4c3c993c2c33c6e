import type { Clock, TimerHandle } from '../clock.ts';
import type { ReplicaHealth } from './replica-health.ts';

/** A read that asks more replicas unless it is answered by then. */
export interface Hedgeable {
  /** Of the clock's monotonic time; 0 outside the queue, whose it is. What the latest call of `add` said counts. */
  hedgeDueMs: number;
  /** Whether it needs no more replicas: then nothing happens when it is due. */
  readonly isDecided: boolean;
  onHedgeDue(): void;
  /** Whether it has asked this replica, which has not answered. */
  waitsFor(health: ReplicaHealth): boolean;
}

/** The wheel has a slot for each step of time up to the longest delay, and these besides. */
const SLOTS = 1024;

/**
 * When reads are to be hedged: a wheel of slots, each with the reads that are due in one step of time, and one timer for
 * all. Nearly all reads are decided before they are due, so none is ever taken out: who is decided is passed over when
 * its slot comes, and is held no longer than the longest delay.
 *
 * A read whose time has come is told at the end of the turn, after the sockets were read: what came while this thread was
 * busy counts, and a pause of this node is not taken for one of all its peers.
 */
export class HedgeQueue {
  readonly #clock: Clock;
  readonly #stepMs: number;
  readonly #slots: Hedgeable[][] = Array.from({ length: SLOTS }, () => []);
  /** Everything before this step was passed. */
  #step = 0;
  #count = 0;
  #timer: TimerHandle | null = null;
  #timerStep = 0;
  /** Told at the end of this turn. */
  #due: Hedgeable[] = [];
  #isClosed = false;

  /** @param maxDelayMs no read waits longer than this to be due */
  constructor(clock: Clock, maxDelayMs: number) {
    this.#clock = clock;
    this.#stepMs = Math.max(1, Math.ceil(maxDelayMs / (SLOTS - 2)));
  }

  /** @param nowMs of the clock's monotonic time */
  add(entry: Hedgeable, nowMs: number, delayMs: number): void {
    if (this.#isClosed) return;
    const dueMs = nowMs + delayMs;
    const step = Math.ceil(dueMs / this.#stepMs);
    // This thread was busy for so long that the wheel has to be turned before there is a slot.
    if (this.#count > 0 && step - this.#step >= SLOTS) this.#sweep();
    if (this.#count === 0 || step < this.#step) this.#step = step;
    entry.hedgeDueMs = dueMs;
    this.#slots[step % SLOTS].push(entry);
    this.#count++;
    if (this.#timer === null || step < this.#timerStep) this.#arm(step, nowMs);
  }

  /** All that wait for this replica are due now: it will not answer, or not soon. */
  hurry(health: ReplicaHealth): void {
    if (this.#isClosed) return;
    for (const slot of this.#slots) if (slot.length > 0) this.#takeWaiting(slot, health);
    if (this.#count === 0) {
      this.#timer?.cancel();
      this.#timer = null;
    }
    this.#tellAtEndOfTurn();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    for (const slot of this.#slots) slot.length = 0;
    this.#due.length = 0;
    this.#count = 0;
  }

  readonly #sweep = (): void => {
    this.#timer?.cancel();
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    const nowStep = Math.floor(nowMs / this.#stepMs);
    // After a long pause each slot is passed once.
    const end = Math.min(nowStep, this.#step + SLOTS - 1);
    for (; this.#step <= end && this.#count > 0; this.#step++) {
      const slot = this.#slots[this.#step % SLOTS];
      this.#count -= slot.length;
      this.#take(slot, nowMs);
    }
    this.#tellAtEndOfTurn();
    if (this.#count === 0) return;
    while (this.#slots[this.#step % SLOTS].length === 0) this.#step++;
    this.#arm(this.#step, nowMs);
  };

  /** One that has been added again is in two slots, and due in that of its later call. */
  #take(slot: Hedgeable[], untilMs: number): void {
    for (const entry of slot) {
      if (entry.isDecided || entry.hedgeDueMs === 0 || entry.hedgeDueMs > untilMs) continue;
      entry.hedgeDueMs = 0;
      this.#due.push(entry);
    }
    slot.length = 0;
  }

  /** Leaves those in the slot that wait for others. */
  #takeWaiting(slot: Hedgeable[], health: ReplicaHealth): void {
    let kept = 0;
    for (const entry of slot) {
      if (entry.isDecided || entry.hedgeDueMs === 0) continue;
      if (entry.waitsFor(health)) {
        entry.hedgeDueMs = 0;
        this.#due.push(entry);
      } else slot[kept++] = entry;
    }
    this.#count -= slot.length - kept;
    slot.length = kept;
  }

  #tellAtEndOfTurn(): void {
    if (this.#due.length > 0) this.#clock.endOfTurn(this.#tell);
  }

  readonly #tell = (): void => {
    const due = this.#due;
    this.#due = [];
    for (const entry of due) if (!entry.isDecided) entry.onHedgeDue();
  };

  #arm(step: number, nowMs: number): void {
    this.#timer?.cancel();
    this.#timerStep = step;
    this.#timer = this.#clock.after(Math.max(Math.ceil(step * this.#stepMs - nowMs), 0), this.#sweep);
  }
}

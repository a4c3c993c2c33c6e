/** The clocks of a machine and of its processes, over the time of the simulation. */
import type { Clock, TimerHandle } from '../../clock.ts';
import type { FakeClock } from '../fake-clock.ts';

/** A machine's wall clock: it may be wrong, run wrong and be set. It outlives the processes of its machine. */
export class MachineClock {
  readonly #time: FakeClock;
  #offsetMs = 0;
  #driftPpm = 0;
  /** Since when it drifts. */
  #sinceMs = 0;

  constructor(time: FakeClock) {
    this.#time = time;
  }

  /** In whole milliseconds, as a system gives it. */
  nowMs(): number {
    return Math.floor(this.#time.nowMs() + this.offsetMs);
  }

  /** How far it is ahead of the right time. */
  get offsetMs(): number {
    return this.#offsetMs + ((this.#time.monotonicMs() - this.#sinceMs) * this.#driftPpm) / 1e6;
  }

  /** From now on it runs on from there. */
  set(offsetMs: number, driftPpm: number): void {
    this.#offsetMs = offsetMs;
    this.#driftPpm = driftPpm;
    this.#sinceMs = this.#time.monotonicMs();
  }
}

/** The clock of one process. When that has ended nothing is called back, and while it is frozen all waits. */
export class ProcessClock implements Clock {
  readonly #time: FakeClock;
  readonly #wall: MachineClock;
  #isOver = false;
  #isFrozen = false;
  #frozenSinceMs = 0;
  #frozenBeforeMs = 0;
  /** What became due while it was frozen. */
  #held: (() => void)[] = [];

  constructor(time: FakeClock, wall: MachineClock) {
    this.#time = time;
    this.#wall = wall;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** For how long it has been frozen so far, all in all. */
  get frozenMs(): number {
    return this.#frozenBeforeMs + (this.#isFrozen ? this.#time.monotonicMs() - this.#frozenSinceMs : 0);
  }

  nowMs(): number {
    return this.#wall.nowMs();
  }

  monotonicMs(): number {
    return this.#time.monotonicMs();
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    let isCancelled = false;
    const timer = this.#time.after(delayMs, () =>
      this.#call(() => {
        if (!isCancelled) callback();
      }),
    );
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  every(periodMs: number, callback: () => void): TimerHandle {
    let isHeld = false;
    let isCancelled = false;
    const timer = this.#time.every(periodMs, () => {
      // As in a process that was stopped: however long it was, it is called back once.
      if (isHeld) return;
      isHeld = true;
      this.#call(() => {
        isHeld = false;
        if (!isCancelled) callback();
      });
      if (this.#isOver) timer.cancel();
    });
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  endOfTurn(callback: () => void): void {
    this.#time.endOfTurn(() => this.#call(callback));
  }

  /** The process ends. */
  end(): void {
    this.#isOver = true;
    this.#held = [];
  }

  freeze(): void {
    this.#isFrozen = true;
    this.#frozenSinceMs = this.#time.monotonicMs();
  }

  thaw(): void {
    this.#frozenBeforeMs = this.frozenMs;
    this.#isFrozen = false;
    const held = this.#held;
    this.#held = [];
    for (const callback of held) this.#time.endOfTurn(() => this.#call(callback));
  }

  #call(callback: () => void): void {
    if (this.#isOver) return;
    if (this.#isFrozen) this.#held.push(callback);
    else callback();
  }
}

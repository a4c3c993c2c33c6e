/**
 * A Clock that stands still until a test moves it. Timers run in the order of their due times; those due at the same
 * time run in the order in which they were set. What `endOfTurn` gathered runs at the next `flush` or `advance`.
 */
import type { Clock, TimerHandle } from '../../src/clock.ts';

interface Timer {
  dueMs: number;
  /** 0: runs once. */
  readonly periodMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #timersSet = 0;
  readonly #timers = new Set<Timer>();
  #endOfTurn: (() => void)[] = [];

  /** @param wallMs where the wall clock starts: 2025-01-01 unless told otherwise */
  constructor(wallMs = Date.UTC(2025, 0, 1)) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    return this.#set(delayMs, 0, callback);
  }

  every(periodMs: number, callback: () => void): TimerHandle {
    return this.#set(periodMs, Math.max(periodMs, 1), callback);
  }

  endOfTurn(callback: () => void): void {
    this.#endOfTurn.push(callback);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Sets only the wall clock, as an operator or NTP does: no timer runs. */
  setWallMs(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  /** Ends the turn, and each further turn that this starts. */
  flush(): void {
    while (this.#endOfTurn.length > 0) {
      const callbacks = this.#endOfTurn;
      this.#endOfTurn = [];
      for (const callback of callbacks) callback();
    }
  }

  /** Lets `ms` pass on both clocks; each timer that becomes due is a turn of its own. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    this.flush();
    for (let timer = this.#nextDue(endMs); timer !== undefined; timer = this.#nextDue(endMs)) {
      this.#moveTo(timer.dueMs);
      if (timer.periodMs > 0) timer.dueMs += timer.periodMs;
      else this.#timers.delete(timer);
      timer.callback();
      this.flush();
    }
    this.#moveTo(endMs);
  }

  #set(delayMs: number, periodMs: number, callback: () => void): TimerHandle {
    const dueMs = this.#monotonicMs + Math.max(delayMs, 0);
    const timer: Timer = { dueMs, periodMs, order: this.#timersSet++, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  #nextDue(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > endMs) continue;
      const earlier =
        next === undefined ||
        timer.dueMs < next.dueMs ||
        (timer.dueMs === next.dueMs && timer.order < next.order);
      if (earlier) next = timer;
    }
    return next;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

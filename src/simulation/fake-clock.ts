/**
 * A Clock that stands still until it is moved. Timers run in the order of their due times; those due at the same time
 * run in the order in which they were set. What `endOfTurn` gathered runs at the next `flush`, `advance` or `step`.
 */
import type { Clock, TimerHandle } from '../clock.ts';
import { Timer, TimerHeap } from './timer-heap.ts';

export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  readonly #timers = new TimerHeap();
  #endOfTurn: (() => void)[] = [];

  /** @param wallMs where the wall clock starts: 2025-01-01 unless told otherwise */
  constructor(wallMs = Date.UTC(2025, 0, 1)) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    // In whole milliseconds, as every wall clock tells it.
    return Math.floor(this.#wallMs);
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
    return this.#timers.count;
  }

  /** Sets only the wall clock, as an operator or NTP does: no timer runs. */
  setWallMs(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  /** Ends the turn, and each further turn that this starts. */
  flush(): void {
    while (this.#endOfTurn.length > 0) this.endTurn();
  }

  /** Ends the turn, but not the turns that this starts. False: nothing had been gathered. */
  endTurn(): boolean {
    if (this.#endOfTurn.length === 0) return false;
    const callbacks = this.#endOfTurn;
    this.#endOfTurn = [];
    for (const callback of callbacks) callback();
    return true;
  }

  /** Lets `ms` pass on both clocks; each timer that becomes due is a turn of its own. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    this.flush();
    while (this.#runNextDue(endMs)) this.flush();
    this.#moveTo(endMs);
  }

  /**
   * Goes to the timer that is due next, if it is due by `endMs` of the monotonic time, and runs it; else goes to
   * `endMs`. False: none was due by then. It does not end the turn.
   */
  step(endMs: number): boolean {
    if (this.#runNextDue(endMs)) return true;
    if (endMs > this.#monotonicMs) this.#moveTo(endMs);
    return false;
  }

  #runNextDue(endMs: number): boolean {
    const timer = this.#timers.first;
    if (timer === undefined || timer.dueMs > endMs) return false;
    this.#moveTo(timer.dueMs);
    if (timer.periodMs > 0) this.#timers.postpone(timer, timer.dueMs + timer.periodMs);
    else this.#timers.remove(timer);
    timer.callback();
    return true;
  }

  #set(delayMs: number, periodMs: number, callback: () => void): TimerHandle {
    const timer = new Timer(this.#timers, this.#monotonicMs + Math.max(delayMs, 0), periodMs, callback);
    this.#timers.add(timer);
    return timer;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

/** A clock with one timer at a time, which goes off when a test says so, however late; so do the ends of turns. */
import type { Clock, TimerHandle } from '../../src/clock.ts';

export class StalledClock implements Clock {
  atMs = 0;
  #timer: (() => void) | null = null;
  readonly #turn: (() => void)[] = [];

  nowMs(): number {
    return 0;
  }

  monotonicMs(): number {
    return this.atMs;
  }

  after(_delayMs: number, callback: () => void): TimerHandle {
    this.#timer = callback;
    return {
      cancel: () => {
        this.#timer = null;
      },
    };
  }

  every(): TimerHandle {
    throw new Error('not used');
  }

  endOfTurn(callback: () => void): void {
    this.#turn.push(callback);
  }

  goOff(): void {
    const timer = this.#timer;
    this.#timer = null;
    timer?.();
  }

  endTurn(): void {
    for (const callback of this.#turn.splice(0)) callback();
  }
}

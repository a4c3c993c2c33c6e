import type { Clock, TimerHandle } from '../clock.ts';

export interface Expiring {
  readonly isDecided: boolean;
  expire(): void;
}

const SWEEP_MS = 10;

/**
 * The deadlines of all requests under way. All have the same time to live, so they pass in the order they came:
 * one timer looks at the head of the queue, instead of one timer a request.
 */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #operations: (Expiring | null)[] = [];
  #deadlines: number[] = [];
  #head = 0;
  #timer: TimerHandle | undefined;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  add(operation: Expiring): void {
    this.#operations.push(operation);
    this.#deadlines.push(this.#clock.monotonicMs() + this.#timeoutMs);
    this.#timer ??= this.#clock.every(Math.min(SWEEP_MS, this.#timeoutMs), this.#sweep);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (let i = this.#head; i < this.#operations.length; i++) this.#operations[i]?.expire();
    this.#operations = [];
    this.#deadlines = [];
    this.#head = 0;
  }

  readonly #sweep = (): void => {
    const now = this.#clock.monotonicMs();
    while (this.#head < this.#operations.length) {
      const operation = this.#operations[this.#head] as Expiring;
      if (!operation.isDecided) {
        if (this.#deadlines[this.#head] > now) break;
        operation.expire();
      }
      this.#operations[this.#head++] = null;
    }
    this.#compact();
  };

  #compact(): void {
    if (this.#head === this.#operations.length) {
      this.#operations = [];
      this.#deadlines = [];
      this.#head = 0;
      this.#timer?.cancel();
      this.#timer = undefined;
    } else if (this.#head > 1024 && this.#head * 2 > this.#operations.length) {
      this.#operations = this.#operations.slice(this.#head);
      this.#deadlines = this.#deadlines.slice(this.#head);
      this.#head = 0;
    }
  }
}

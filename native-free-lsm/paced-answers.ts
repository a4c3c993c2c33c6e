import type { EngineClock } from './clock.ts';
import type { WriteSink, WriteStatus } from './store/sinks.ts';

interface Answer {
  readonly token: number;
  readonly status: WriteStatus;
  readonly timestamp: number;
  readonly writer: number;
  readonly error: Error | null;
}

/**
 * Passes on one answer in a turn of the event loop, in their order. The writer logs together what it finds, so batches
 * that were under way together are answered together; and whoever keeps some under way would make all of the next ones
 * in one turn, which holds up everything else, while the writer thread has nothing to do. One at a time, it works on one
 * batch while the next is made.
 */
export class PacedAnswers implements WriteSink {
  readonly #sink: WriteSink;
  readonly #clock: EngineClock;
  readonly #waiting: Answer[] = [];
  /** Whether this turn, or the one before, has had its answer. */
  #isSpent = false;

  constructor(sink: WriteSink, clock: EngineClock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  onWrite(token: number, status: WriteStatus, timestamp: number, writer: number, error: Error | null): void {
    if (this.#isSpent) {
      this.#waiting.push({ token, status, timestamp, writer, error });
      return;
    }
    this.#isSpent = true;
    this.#clock.endOfTurn(this.#turnEnded);
    this.#sink.onWrite(token, status, timestamp, writer, error);
  }

  /** What the answer has caused is published in this turn, and so before anything that the next answer causes. */
  readonly #turnEnded = (): void => this.#clock.endOfTurn(this.#next);

  readonly #next = (): void => {
    const answer = this.#waiting.shift();
    if (answer === undefined) {
      this.#isSpent = false;
      return;
    }
    this.#clock.endOfTurn(this.#turnEnded);
    const { error, status, timestamp, token, writer } = answer;
    this.#sink.onWrite(token, status, timestamp, writer, error);
  };
}

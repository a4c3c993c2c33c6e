/**
 * Two ways to find the freshest of the answers to one request, in one thread: the core of
 * `src/coordinator/response-accumulator.ts` without what that keeps for repair and status. Pure.
 */
import { compareVersions } from '../../../native-free-lsm/format/record.ts';
import type { Way } from './answers.ts';

/** One request. Each position answers at most once. */
export interface AnswerFold {
  /**
   * @param timestamp 0: the replica does not have the key
   * @returns whether the request succeeds with this answer
   */
  succeed(position: number, timestamp: number, writer: number): boolean;
  /** @returns whether the request fails with this answer */
  fail(): boolean;
  /** The freshest version of the answers up to the one with which the request succeeded. */
  readonly timestamp: number;
  readonly writer: number;
}

export function createFold(way: Way, ack: number, from: number): AnswerFold {
  return way === 'arrival' ? new ArrivalFold(ack, from) : new SlotFold(ack, from);
}

class ArrivalFold implements AnswerFold {
  timestamp = 0;
  writer = 0;
  readonly #ack: number;
  readonly #spare: number;
  #successes = 0;
  #failures = 0;

  constructor(ack: number, from: number) {
    this.#ack = ack;
    this.#spare = from - ack;
  }

  succeed(_position: number, timestamp: number, writer: number): boolean {
    if (this.#successes === this.#ack) return false;
    if (compareVersions(timestamp, writer, this.timestamp, this.writer) > 0) {
      this.timestamp = timestamp;
      this.writer = writer;
    }
    return ++this.#successes === this.#ack;
  }

  fail(): boolean {
    return ++this.#failures === this.#spare + 1;
  }
}

class SlotFold implements AnswerFold {
  timestamp = 0;
  writer = 0;
  readonly #ack: number;
  readonly #spare: number;
  /** In the order of arrival: here nobody has to know whose answer it was. */
  readonly #timestamps: number[];
  readonly #writers: number[];
  #successes = 0;
  #failures = 0;

  constructor(ack: number, from: number) {
    this.#ack = ack;
    this.#spare = from - ack;
    this.#timestamps = new Array<number>(ack);
    this.#writers = new Array<number>(ack);
  }

  succeed(_position: number, timestamp: number, writer: number): boolean {
    const slot = this.#successes;
    if (slot === this.#ack) return false;
    this.#timestamps[slot] = timestamp;
    this.#writers[slot] = writer;
    this.#successes = slot + 1;
    if (slot + 1 < this.#ack) return false;
    for (let i = 0; i < this.#ack; i++) {
      if (compareVersions(this.#timestamps[i], this.#writers[i], this.timestamp, this.writer) <= 0) continue;
      this.timestamp = this.#timestamps[i];
      this.writer = this.#writers[i];
    }
    return true;
  }

  fail(): boolean {
    return ++this.#failures === this.#spare + 1;
  }
}

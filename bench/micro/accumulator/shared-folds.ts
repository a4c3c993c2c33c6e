/**
 * The two ways to find the freshest answer when the answers come from several threads. One object serves one thread,
 * for all requests in the memory that the threads share.
 */
import { compareVersions } from '../../../native-free-lsm/format/record.ts';
import type { Way } from './answers.ts';
import { COUNT_WORD, FAILURES_WORD, FRESHEST_WORD, type SharedRequests } from './shared-requests.ts';

export interface SharedFold {
  /** @returns whether the request succeeds with this answer: exactly one thread is told so */
  succeed(request: number, position: number, timestamp: number, writer: number): boolean;
  /** @returns whether the request fails with this answer: exactly one thread is told so */
  fail(request: number): boolean;
  /** The freshest version of the last request that succeeded here. */
  readonly timestamp: number;
  readonly writer: number;
  /** How often an exchange was in vain because another thread had been quicker. */
  readonly retries: number;
}

export function createSharedFold(way: Way, requests: SharedRequests, ack: number, from: number): SharedFold {
  return way === 'arrival'
    ? new SharedArrivalFold(requests, ack, from)
    : new SharedSlotFold(requests, ack, from);
}

/** Two counters, and the freshest answer kept by a loop of compare and exchange. */
class SharedArrivalFold implements SharedFold {
  timestamp = 0;
  writer = 0;
  retries = 0;
  readonly #requests: SharedRequests;
  readonly #ack: number;
  readonly #spare: number;

  constructor(requests: SharedRequests, ack: number, from: number) {
    this.#requests = requests;
    this.#ack = ack;
    this.#spare = from - ack;
  }

  succeed(request: number, position: number, timestamp: number, writer: number): boolean {
    const requests = this.#requests;
    const { words } = requests;
    const start = requests.startOf(request);
    requests.writeSlot(start, position, timestamp, writer);
    // Acquires: the slot that it names is read next, and was written before its thread exchanged this word.
    let freshest = Atomics.load(words, start + FRESHEST_WORD);
    while (freshest === 0 || this.#isNewer(start, timestamp, writer, freshest - 1)) {
      // Releases the slot written above, and acquires the slot of whoever was quicker.
      const found = Atomics.compareExchange(words, start + FRESHEST_WORD, freshest, position + 1);
      if (found === freshest) break;
      freshest = found;
      this.retries++;
    }
    // Behind the exchange, so that whoever counts `ack` finds a freshest answer at least as new as each that was counted.
    if (Atomics.add(words, start + COUNT_WORD, 1) !== this.#ack - 1) return false;
    // Acquires the slot that it names.
    const decided = Atomics.load(words, start + FRESHEST_WORD) - 1;
    this.timestamp = requests.timestampOf(start, decided);
    this.writer = requests.writerOf(start, decided);
    return true;
  }

  fail(request: number): boolean {
    const { words } = this.#requests;
    // Nothing was written before it: it only has to count each failure once.
    return Atomics.add(words, this.#requests.startOf(request) + FAILURES_WORD, 1) === this.#spare;
  }

  #isNewer(start: number, timestamp: number, writer: number, than: number): boolean {
    const requests = this.#requests;
    return (
      compareVersions(timestamp, writer, requests.timestampOf(start, than), requests.writerOf(start, than)) >
      0
    );
  }
}

/** A slot for each answer, and a word that says which are there: who completes it looks through them once. */
class SharedSlotFold implements SharedFold {
  timestamp = 0;
  writer = 0;
  readonly retries = 0;
  readonly #requests: SharedRequests;
  readonly #ack: number;
  readonly #spare: number;

  constructor(requests: SharedRequests, ack: number, from: number) {
    this.#requests = requests;
    this.#ack = ack;
    this.#spare = from - ack;
  }

  succeed(request: number, position: number, timestamp: number, writer: number): boolean {
    const requests = this.#requests;
    const start = requests.startOf(request);
    requests.writeSlot(start, position, timestamp, writer);
    const bit = 1 << position;
    // Releases the slot written above, and acquires the slots of all whose bits it finds.
    const before = Atomics.or(requests.words, start + COUNT_WORD, bit);
    if (bitsIn(before) !== this.#ack - 1) return false;
    this.#fold(start, before | bit);
    return true;
  }

  fail(request: number): boolean {
    const { words } = this.#requests;
    // Nothing was written before it: it only has to count each failure once.
    return Atomics.add(words, this.#requests.startOf(request) + FAILURES_WORD, 1) === this.#spare;
  }

  #fold(start: number, answered: number): void {
    const requests = this.#requests;
    let freshest = 31 - Math.clz32(answered & -answered);
    let timestamp = requests.timestampOf(start, freshest);
    let writer = requests.writerOf(start, freshest);
    for (let left = answered & (answered - 1); left !== 0; left &= left - 1) {
      freshest = 31 - Math.clz32(left & -left);
      const theirs = requests.timestampOf(start, freshest);
      const theirWriter = requests.writerOf(start, freshest);
      if (compareVersions(theirs, theirWriter, timestamp, writer) <= 0) continue;
      timestamp = theirs;
      writer = theirWriter;
    }
    this.timestamp = timestamp;
    this.writer = writer;
  }
}

/** How many bits of a word are set. */
function bitsIn(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

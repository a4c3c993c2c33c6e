/**
 * Watches those clients for whom answers are held until they have read them, and tells those that read too slowly:
 * `reader-progress.ts` has the rule. One timer serves all of them, and runs only while there are any.
 */
import type { Socket } from 'node:net';
import type { Clock, TimerHandle } from '../clock.ts';
import { type ReaderLimits, ReaderProgress } from './reader-progress.ts';
import { takenBytes } from './socket-bytes.ts';

export interface Reader {
  readonly socket: Socket;
  /** The node has something for it and waits until that is taken. Time that the node needs itself does not count. */
  readonly isAwaited: boolean;
  /** Called once; it is not watched any more. */
  onTooSlow(): void;
}

/** Tells the unacknowledged bytes of those sockets for which they can be known. */
type Unacknowledged = (sockets: readonly Socket[]) => Promise<ReadonlyMap<Socket, number>>;

/** Parts of `timeoutMs`: how often readers are looked at, and how often the costly question is asked. */
const TICKS = 40;
const QUESTIONS = 8;

export class ReaderWatch {
  readonly #limits: ReaderLimits;
  readonly #clock: Clock;
  readonly #unacknowledged: Unacknowledged;
  readonly #tickMs: number;
  readonly #readers = new Map<Reader, ReaderProgress>();
  #timer: TimerHandle | null = null;
  #tickedMs = 0;
  #askedMs = Number.NEGATIVE_INFINITY;
  #isAsking = false;

  constructor(limits: ReaderLimits, clock: Clock, unacknowledged: Unacknowledged) {
    this.#limits = limits;
    this.#clock = clock;
    this.#unacknowledged = unacknowledged;
    this.#tickMs = Math.max(1, Math.floor(limits.timeoutMs / TICKS));
  }

  add(reader: Reader): void {
    this.#readers.set(reader, new ReaderProgress(this.#limits, takenBytes(reader.socket)));
    if (this.#timer !== null) return;
    this.#tickedMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.every(this.#tickMs, this.#onTick);
  }

  delete(reader: Reader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  readonly #onTick = (): void => {
    const nowMs = this.#clock.monotonicMs();
    // While the node itself stands still, its readers can take nothing.
    const waitedMs = Math.min(nowMs - this.#tickedMs, 2 * this.#tickMs);
    this.#tickedMs = nowMs;
    const doubted: Reader[] = [];
    for (const [reader, progress] of this.#readers) {
      progress.noteTaken(reader.isAwaited ? waitedMs : 0, takenBytes(reader.socket));
      if (progress.isTooSlow) {
        this.delete(reader);
        reader.onTooSlow();
      } else if (reader.isAwaited && progress.isInDoubt) doubted.push(reader);
    }
    const isDue = nowMs - this.#askedMs >= this.#limits.timeoutMs / QUESTIONS;
    if (doubted.length === 0 || this.#isAsking || !isDue) return;
    this.#askedMs = nowMs;
    this.#isAsking = true;
    void this.#ask(doubted);
  };

  async #ask(doubted: readonly Reader[]): Promise<void> {
    // Noted before the question: what is taken while it is asked is unacknowledged, and must not count as read.
    const taken = doubted.map(({ socket }) => takenBytes(socket));
    try {
      const unacknowledged = await this.#unacknowledged([...new Set(doubted.map(({ socket }) => socket))]);
      for (const [i, reader] of doubted.entries()) {
        const bytes = unacknowledged.get(reader.socket);
        if (bytes !== undefined) this.#readers.get(reader)?.noteAcknowledged(taken[i] - bytes);
      }
    } finally {
      this.#isAsking = false;
    }
  }
}

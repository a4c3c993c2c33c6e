import type { EngineClock } from '../clock.ts';
import type { ReadPath } from './read-path.ts';
import type { ReaderChannels } from './reader-channels.ts';
import type { RetryParts } from './retry.ts';
import { RoleStarts } from './role-starts.ts';

/** How long after a start it is looked whether the threads have come. */
const LOOK_MS = 100;

/** Gives reader threads that have died successors: at once, or, where none can be started, later and later. */
export class ReaderSuccessors {
  readonly #clock: EngineClock;
  readonly #report: (message: string) => void;
  readonly #readers: ReaderChannels;
  readonly #reads: ReadPath;
  readonly #starts: RoleStarts;
  #isLooking = false;

  constructor(parts: RetryParts, readers: ReaderChannels, reads: ReadPath) {
    this.#clock = parts.clock;
    this.#report = parts.report;
    this.#readers = readers;
    this.#reads = reads;
    this.#starts = new RoleStarts('readers', parts, () => this.#startAgain());
  }

  /** A thread has ended without having been told to. */
  ended(index: number, error: Error): void {
    const readers = this.#readers;
    if (readers.channels[index].requests.hasConsumer) {
      this.#report(`a reader thread died (${error.message}); another takes its place`);
      if (readers.down.length === 0) this.#starts.began();
      readers.start(index);
      this.#reads.retry(index, error);
      return;
    }
    const refusal = this.#starts.failed(error);
    readers.renew(index);
    readers.channels[index].isDown = true;
    // They had never come to a thread, which so has not died with them.
    const areAllDown = readers.down.length === readers.channels.length;
    this.#reads.pass(index, areAllDown ? refusal : undefined);
  }

  close(): void {
    this.#starts.close();
  }

  #startAgain(): void {
    for (const index of this.#readers.down) this.#readers.begin(index);
    this.#look();
  }

  #look(): void {
    const areAllThere = this.#readers.down.length === 0;
    if (areAllThere) this.#starts.began();
    // After a failure it is looked when they are started again.
    if (areAllThere || this.#isLooking || this.#starts.isWaiting) return;
    this.#isLooking = true;
    this.#clock.after(LOOK_MS, () => {
      this.#isLooking = false;
      this.#look();
    });
  }
}

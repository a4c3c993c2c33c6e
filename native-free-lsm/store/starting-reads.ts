import type { EngineClock } from '../clock.ts';
import type { ReaderChannel } from './reader-channel.ts';

/** How much of the calling thread's time such reads may take, all together. */
const MAX_MS = 50;

/**
 * Reads that need the disk while no reader thread has started yet: the calling thread answers them, which takes some
 * microseconds where a thread takes a tenth of a second to come. It does so for a short time in all, because it does
 * nothing else meanwhile, and the threads need it to start: what comes later waits for them.
 */
export class StartingReads {
  readonly #clock: EngineClock;
  readonly #channels: readonly ReaderChannel[];
  readonly #isHeld: () => boolean;
  #leftMs = MAX_MS;
  #isOver = false;

  /** @param isHeld whether threads are told nothing yet, although they may have started */
  constructor(clock: EngineClock, channels: readonly ReaderChannel[], isHeld: () => boolean = () => false) {
    this.#clock = clock;
    this.#channels = channels;
    this.#isHeld = isHeld;
  }

  /**
   * Whether the calling thread is to read now. Call it also before a thread that has died is replaced: what it had to
   * read may be the reason, and the calling thread had better not read that.
   */
  lasts(): boolean {
    if (this.#isOver) return false;
    const haveStarted = !this.#isHeld() && this.#channels.some(({ requests }) => requests.hasConsumer);
    this.#isOver = this.#leftMs <= 0 || haveStarted;
    return !this.#isOver;
  }

  /** Reads, and takes the time of it. */
  run<Result>(read: () => Result): Result {
    const beganMs = this.#clock.monotonicMs();
    try {
      return read();
    } finally {
      this.#leftMs -= this.#clock.monotonicMs() - beganMs;
    }
  }
}

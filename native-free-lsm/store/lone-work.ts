interface LoneWorkParts {
  /** @throws why nothing may run any more */
  readonly check: () => void;
  /** Whether something runs beside which it may not be quiet. */
  readonly isBarred: () => boolean;
  readonly onEnd: () => void;
}

/**
 * Work that takes turns with its like, in the order in which it came, and from a moment of its own choice runs beside
 * nothing that bars it.
 */
export class LoneWork {
  readonly #parts: LoneWorkParts;
  readonly #endWaiters: (() => void)[] = [];
  /** Whether somebody has the turn. */
  #isRunning = false;
  #isQuiet = false;
  /** One for each that waits for the turn. */
  readonly #waiting: symbol[] = [];

  constructor(parts: LoneWorkParts) {
    this.#parts = parts;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Whether nothing that bars it may begin, whatever waits for that. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** Whether nothing that bars it should begin without need, so that it gets its turn. */
  get isDue(): boolean {
    return this.#isRunning || this.#waiting.length > 0;
  }

  /** @throws what `check` throws, and what `work` throws */
  async run<Result>(work: (quiet: () => Promise<void>) => Promise<Result>): Promise<Result> {
    const { check, isBarred, onEnd } = this.#parts;
    const turn = Symbol('turn');
    this.#waiting.push(turn);
    try {
      while (this.#waiting[0] !== turn || this.#isRunning || isBarred()) await this.#nextEnd();
      check();
      this.#isRunning = true;
    } finally {
      this.#waiting.shift();
    }
    try {
      return await work(async () => {
        while (isBarred()) await this.#nextEnd();
        check();
        this.#isQuiet = true;
      });
    } finally {
      this.#isRunning = false;
      this.#isQuiet = false;
      onEnd();
    }
  }

  /** Something has ended that may have barred it. */
  look(): void {
    for (const resolve of this.#endWaiters.splice(0)) resolve();
  }

  #nextEnd(): Promise<void> {
    return new Promise((resolve) => this.#endWaiters.push(resolve));
  }
}

import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import type { EngineConditions } from './conditions.ts';
import type { OpeningHold } from './take-over.ts';

const RETRY_MS = 1000;

/**
 * Manages an engine that was opened on a disk that takes no writes: it serves what is there, writes nothing at all, and
 * checks now and then whether it may.
 */
export class OpeningHeld {
  readonly #clock: EngineClock;
  readonly #conditions: EngineConditions;
  readonly #onReleased: () => void;
  #hold: OpeningHold | undefined;
  #reason: LsmError | undefined;
  #timer: { cancel(): void } | undefined;

  /** @param hold undefined: nothing is held */
  constructor(
    clock: EngineClock,
    conditions: EngineConditions,
    hold: OpeningHold | undefined,
    onReleased: () => void,
  ) {
    this.#clock = clock;
    this.#conditions = conditions;
    this.#onReleased = onReleased;
    this.#hold = hold;
    if (hold !== undefined) this.#keep(hold.reason);
  }

  /** Begins to check whether it may. */
  start(): void {
    if (this.#hold !== undefined) this.#wait();
  }

  /** Why nothing may be written; undefined when it may. */
  get reason(): LsmError | undefined {
    return this.#reason;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#timer = this.#clock.after(RETRY_MS, () => this.#tryAgain());
  }

  #tryAgain(): void {
    try {
      this.#hold?.release();
    } catch (cause) {
      this.#keep(
        cause instanceof LsmError ? cause : new LsmError('IO_ERROR', (cause as Error).message, { cause }),
      );
      this.#wait();
      return;
    }
    this.#hold = undefined;
    this.#reason = undefined;
    this.#conditions.works('opening');
    this.#onReleased();
  }

  #keep(reason: LsmError): void {
    this.#reason = reason;
    this.#conditions.failing('opening', reason);
  }
}

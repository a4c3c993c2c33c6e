import type { EngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import type { EngineConditions } from './conditions.ts';

const PROBE_MS = 1000;

/**
 * Notes that the log cannot be written, and has the writer try again now and then. Clients may not write to an engine
 * that says that it takes no writes, and without a write it would never notice that it can.
 */
export class WriteTrouble {
  readonly #clock: EngineClock;
  readonly #conditions: EngineConditions;
  readonly #report: (message: string) => void;
  readonly #probe: () => void;
  #timer: { cancel(): void } | undefined;
  #stopped = false;

  /** @param probe has the writer do what a write needs, without a write */
  constructor(
    clock: EngineClock,
    conditions: EngineConditions,
    report: (message: string) => void,
    probe: () => void,
  ) {
    this.#clock = clock;
    this.#conditions = conditions;
    this.#report = report;
    this.#probe = probe;
  }

  /** @param error the error with which writes fail from now on; undefined: they succeed again */
  changed(error: LsmError | undefined): void {
    if (error === undefined) {
      this.#conditions.works('log');
      this.#report('writes go well again');
      this.#rest();
      return;
    }
    this.#conditions.failing('log', error);
    this.#report(`writes fail: ${error.message}`);
    if (this.#timer === undefined && !this.#stopped) this.#wait();
  }

  /** Stops trying: nothing can succeed again until the engine is opened anew. */
  stop(): void {
    this.#stopped = true;
    this.#rest();
  }

  #wait(): void {
    this.#timer = this.#clock.after(PROBE_MS, () => {
      this.#wait();
      this.#probe();
    });
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

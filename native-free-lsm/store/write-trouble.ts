import type { EngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import type { EngineConditions } from './conditions.ts';

const PROBE_MS = 1000;
/**
 * For so long nothing fails before it is reported that writes go well. Where others use up what room there is, it comes
 * and goes, and nobody can act upon two lines a second.
 */
const CALM_MS = 10_000;

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
  /** Runs while writes succeed, and it has not been reported yet. */
  #calm: { cancel(): void } | undefined;
  /** What was reported last; undefined: that writes go well. */
  #reported: string | undefined;
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
    this.#calm?.cancel();
    this.#calm = undefined;
    if (error === undefined) {
      this.#conditions.works('log');
      this.#rest();
      if (!this.#stopped) this.#calm = this.#clock.after(CALM_MS, () => this.#reportCalm());
      return;
    }
    this.#conditions.failing('log', error);
    if (error.code !== this.#reported) this.#report(`writes fail: ${error.message}`);
    this.#reported = error.code;
    if (this.#timer === undefined && !this.#stopped) this.#wait();
  }

  /** Stops trying: nothing can succeed again until the engine is opened anew. */
  stop(): void {
    this.#stopped = true;
    this.#calm?.cancel();
    this.#rest();
  }

  #reportCalm(): void {
    this.#calm = undefined;
    this.#reported = undefined;
    this.#report('writes go well again');
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

/** How far a load is: a line that is drawn anew on a terminal, nothing elsewhere. */

import type { Clock, TimerHandle } from '../../clock.ts';
import type { ProgressOutput } from '../progress.ts';
import type { ThreadSecond } from './generator.ts';
import type { LoadPlan } from './plan.ts';
import type { Preparation } from './prepare.ts';
import { type LoadRecorder, percentileMs } from './result.ts';
import { describeMs } from './text-report.ts';

const PERIOD_MS = 500;
const CLEAR_LINE = '\r\u001b[K';

export class LoadProgress implements Disposable {
  readonly #output: ProgressOutput;
  readonly #timer: TimerHandle | null;
  /** Answers of `#second`, as far as threads have told them; and of the second before it, of all threads. */
  #requests = 0;
  #second = -1;
  #lastRate = 0;

  private constructor(clock: Clock, output: ProgressOutput, line: (progress: LoadProgress) => string) {
    this.#output = output;
    this.#timer =
      output.isTTY === true ? clock.every(PERIOD_MS, () => output.write(`${CLEAR_LINE}${line(this)}`)) : null;
  }

  static ofLoad(plan: LoadPlan, recorder: LoadRecorder, clock: Clock, output: ProgressOutput): LoadProgress {
    const endMs = clock.monotonicMs() + plan.warmUpMs + plan.durationMs;
    return new LoadProgress(clock, output, (progress) => {
      const left = describeLeft(endMs - clock.monotonicMs());
      const { latency, errors } = recorder.tally;
      if (latency.totalCount === 0) return `${left}, warming up: ${progress.#lastRate}/s`;
      const p99 = describeMs(percentileMs(latency, 99));
      return `${left}  ${progress.#lastRate}/s  p99 ${p99}  ${errors} errors`;
    });
  }

  static ofPreparation(
    { keys }: LoadPlan,
    preparation: Preparation,
    clock: Clock,
    output: ProgressOutput,
  ): LoadProgress {
    return new LoadProgress(clock, output, () => `${preparation.written} of ${keys} keys written`);
  }

  onSecond({ second, tally }: ThreadSecond): void {
    if (second !== this.#second) {
      this.#lastRate = this.#requests;
      this.#requests = 0;
      this.#second = second;
    }
    for (const count of Object.values(tally.counts.statuses)) this.#requests += count;
  }

  [Symbol.dispose](): void {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#output.write(CLEAR_LINE);
  }
}

function describeLeft(leftMs: number): string {
  return leftMs <= 0 ? 'waiting for the last answers' : `${Math.ceil(leftMs / 1_000)} s left`;
}

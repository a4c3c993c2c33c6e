/** Shows on stderr how far a long command is: as a bar on a terminal, otherwise as a line every few seconds. */
import { Presets, SingleBar } from 'cli-progress';
import type { Clock, TimerHandle } from '../clock.ts';
import { describeSize } from '../config/units.ts';

const BAR_PERIOD_MS = 100;
const LINE_PERIOD_MS = 2_000;

interface ProgressTarget {
  readonly totalBytes: number;
  /** The part of `totalBytes` that is done; it is called again and again. */
  readonly doneBytes: () => number;
}

export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Shows progress until it is disposed of. */
export class FillProgress implements Disposable {
  readonly #target: ProgressTarget;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #output: ProgressOutput;
  readonly #bar: SingleBar | undefined;
  readonly #timer: TimerHandle;

  constructor(target: ProgressTarget, clock: Clock, output: NodeJS.WriteStream | ProgressOutput) {
    this.#target = target;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    this.#output = output;
    if (output.isTTY === true) {
      this.#bar = new SingleBar(
        {
          stream: output as NodeJS.WriteStream,
          format: '{bar} {percentage} %  {done} of {all}  {rate}  {left} left',
          // The timer below draws it, and the command handles the signal.
          noTTYOutput: false,
          gracefulExit: false,
          hideCursor: true,
          clearOnComplete: true,
          stopOnComplete: false,
        },
        Presets.shades_classic,
      );
      this.#bar.start(target.totalBytes, 0, this.#payload(0));
    }
    const periodMs = this.#bar === undefined ? LINE_PERIOD_MS : BAR_PERIOD_MS;
    this.#timer = clock.every(periodMs, () => this.#show());
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
    this.#bar?.stop();
  }

  #show(): void {
    const doneBytes = Math.min(this.#target.doneBytes(), this.#target.totalBytes);
    const payload = this.#payload(doneBytes);
    if (this.#bar !== undefined) {
      this.#bar.update(doneBytes, payload);
      return;
    }
    const percentage = Math.floor((doneBytes / this.#target.totalBytes) * 100);
    const { done, all, rate, left } = payload;
    this.#output.write(`${percentage} %  ${done} of ${all}  ${rate}  ${left} left\n`);
  }

  #payload(doneBytes: number): { done: string; all: string; rate: string; left: string } {
    const elapsedSeconds = (this.#clock.monotonicMs() - this.#startedMs) / 1_000;
    const bytesPerSecond = elapsedSeconds > 0 ? doneBytes / elapsedSeconds : 0;
    const leftSeconds = (this.#target.totalBytes - doneBytes) / bytesPerSecond;
    return {
      done: describeSize(doneBytes),
      all: describeSize(this.#target.totalBytes),
      rate: describeRate(bytesPerSecond),
      left: Number.isFinite(leftSeconds) ? describeSeconds(leftSeconds) : '?',
    };
  }
}

/** In decimal megabytes, because disks are sold in them. */
export function describeRate(bytesPerSecond: number): string {
  return `${Math.round(bytesPerSecond / 1e6)} MB/s`;
}

function describeSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/**
 * How long the turns of the event loop ran in the last minute: every turn is a sample, so that one long turn is
 * seen however short it was against any sampling period. A request that arrives at the wrong moment waits for
 * the turn that is running, which makes this the delay the loop adds to it.
 *
 * Six full windows of ten seconds and the one being filled: a figure covers the last 60 to 70 seconds.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { everyTurn, systemClock, type TimerHandle } from '../clock.ts';

const WINDOW_MS = 10_000;
const FULL_WINDOWS = 6;
/** Two significant figures in microseconds up to ten minutes: under 40 KiB a window. */
const HISTOGRAM = { lowest: 1, highest: 600_000_000, figures: 2 };

interface LoopDelaySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Turns counted. */
  readonly turns: number;
  readonly windowSeconds: number;
}

export class LoopDelay {
  readonly #windows: RecordableHistogram[] = [];
  #current = 0;
  #rotateAtMs: number;

  /** @param nowMs monotonic, as for the other calls */
  constructor(nowMs: number) {
    for (let i = 0; i <= FULL_WINDOWS; i++) this.#windows.push(createHistogram(HISTOGRAM));
    this.#rotateAtMs = nowMs + WINDOW_MS;
  }

  record(nowMs: number, ranMs: number): void {
    if (nowMs >= this.#rotateAtMs) this.#rotate(nowMs);
    const micros = Math.min(Math.max(Math.round(ranMs * 1000), HISTOGRAM.lowest), HISTOGRAM.highest);
    this.#windows[this.#current].record(micros);
  }

  summary(nowMs: number): LoopDelaySummary {
    if (nowMs >= this.#rotateAtMs) this.#rotate(nowMs);
    const all = createHistogram(HISTOGRAM);
    for (const window of this.#windows) if (window.count > 0) all.add(window);
    const turns = all.count;
    return {
      p50Ms: turns === 0 ? 0 : all.percentile(50) / 1000,
      p99Ms: turns === 0 ? 0 : all.percentile(99) / 1000,
      p999Ms: turns === 0 ? 0 : all.percentile(99.9) / 1000,
      maxMs: turns === 0 ? 0 : all.max / 1000,
      turns,
      windowSeconds: (FULL_WINDOWS * WINDOW_MS) / 1000,
    };
  }

  /** Forgets the oldest windows: one for every ten seconds that passed since the last rotation. */
  #rotate(nowMs: number): void {
    for (let forgotten = 0; nowMs >= this.#rotateAtMs; this.#rotateAtMs += WINDOW_MS) {
      if (forgotten === this.#windows.length) {
        this.#rotateAtMs = nowMs + WINDOW_MS;
        return;
      }
      this.#current = (this.#current + 1) % this.#windows.length;
      this.#windows[this.#current].reset();
      forgotten++;
    }
  }
}

/** Samples this process's own event loop, in real time, until it is disposed of. */
export class LoopDelayMonitor implements Disposable {
  readonly #delay = new LoopDelay(systemClock.monotonicMs());
  readonly #hook: TimerHandle;

  /** @param turns what calls back at the end of each turn */
  constructor(turns: typeof everyTurn = everyTurn) {
    this.#hook = turns((endedMs, ranMs) => this.#delay.record(endedMs, ranMs));
  }

  summary(): LoopDelaySummary {
    return this.#delay.summary(systemClock.monotonicMs());
  }

  [Symbol.dispose](): void {
    this.#hook.cancel();
  }
}

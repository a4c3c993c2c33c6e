import type { EngineClock } from '../clock.ts';
import { FIGURE_WORDS, FigureWord, RowWord, ThreadRole, ThreadTable } from './thread-table.ts';
import { bucketOf } from './wait-figures.ts';
import { WAIT_SITES, type WaitSiteId } from './wait-sites.ts';

/** What `begin` returns while nothing is recorded. */
const NOT_RECORDED = -1;

/**
 * Records how long its thread waits for what, in the thread's row of the thread table. While nothing is recorded it
 * reads no clock: a wait then costs one load more. Waits do not nest.
 */
export class WaitRecorder {
  readonly #table: ThreadTable;
  readonly #words: Int32Array;
  readonly #start: number;
  readonly #clock: EngineClock;
  /** Microseconds by site, with their fractions: the table has whole ones. */
  readonly #micros = new Float64Array(WAIT_SITES.length);
  #recording = 0;

  private constructor(table: ThreadTable, row: number, clock: EngineClock) {
    this.#table = table;
    this.#words = table.words;
    this.#start = ThreadTable.rowStart(row);
    this.#clock = clock;
  }

  /** @param memory of the pool's table; a thread for which it has no row records for itself alone */
  static ofThread(memory: SharedArrayBuffer, threadId: number, clock: EngineClock): WaitRecorder {
    const table = new ThreadTable(memory);
    const row = table.take(threadId);
    return row === -1 ? WaitRecorder.detached(clock) : new WaitRecorder(table, row, clock);
  }

  /** Of a thread that nobody looks at. */
  static detached(clock: EngineClock): WaitRecorder {
    return new WaitRecorder(ThreadTable.create(1), 0, clock);
  }

  becomeBackground(): void {
    this.become(ThreadRole.background, this.#table.nextBackgroundNumber());
  }

  /** Says what the thread does, so that main can name it. */
  become(role: ThreadRole, number: number): void {
    // Before the role, which is what main looks at.
    Atomics.store(this.#words, this.#start + RowWord.number, number);
    // Release: the number is there when the role is.
    Atomics.store(this.#words, this.#start + RowWord.role, role);
  }

  /** Call it right before a wait, and give what it returns to `end` right after. */
  begin(site: WaitSiteId): number {
    const recording = this.#table.recording;
    if (recording === 0) return NOT_RECORDED;
    if (recording !== this.#recording) this.#startOver(recording);
    const began = this.#clock.monotonicMs() * 1000;
    // Release, both in this order: whoever sees the site sees since when.
    Atomics.store(this.#words, this.#start + RowWord.sinceMicros, began >>> 0);
    Atomics.store(this.#words, this.#start + RowWord.site, site + 1);
    return began;
  }

  end(site: WaitSiteId, began: number): void {
    if (began === NOT_RECORDED) return;
    const micros = this.#clock.monotonicMs() * 1000 - began;
    const figures = this.#start + RowWord.figures + site * FIGURE_WORDS;
    const bucket = FigureWord.buckets + bucketOf(micros);
    this.#micros[site] += micros;
    // Counters with one writer; atomic so that main never reads them half written. Main reads them before the site:
    // a wait that ends meanwhile is then missing for a moment, and not counted twice.
    Atomics.add(this.#words, figures + FigureWord.count, 1);
    Atomics.add(this.#words, figures + bucket, 1);
    Atomics.store(this.#words, figures + FigureWord.micros, Math.round(this.#micros[site]));
    Atomics.store(this.#words, this.#start + RowWord.site, 0);
  }

  #startOver(recording: number): void {
    this.#recording = recording;
    this.#micros.fill(0);
    const figures = this.#start + RowWord.figures;
    this.#words.fill(0, figures, figures + WAIT_SITES.length * FIGURE_WORDS);
    // Release: the figures are those of this recording from here on.
    Atomics.store(this.#words, this.#start + RowWord.recording, recording);
  }
}

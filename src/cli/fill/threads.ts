/** The pool that writes a fill's tables: one task per range of keys. */
import os from 'node:os';
import { extname } from 'node:path';
import { Piscina } from 'piscina';
import type { TableMetadata } from '../../../native-free-lsm/index.ts';
import { QuorateError } from '../../errors.ts';
import type { FillRange } from './plan.ts';
import { FILL_WORDS, type FillJob, FillWord } from './tables.ts';
import type { FillTaskResult } from './worker.ts';

/** One more than there are cores: a thread that waits until its table is synced leaves its core to another. */
export const FILL_THREADS = os.availableParallelism() + 1;

export class FillThreads implements AsyncDisposable {
  readonly #words: Int32Array;
  readonly #pool: Piscina<FillRange, FillTaskResult>;

  constructor(job: Omit<FillJob, 'control'>) {
    const control = new SharedArrayBuffer(FILL_WORDS * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(control);
    this.#pool = new Piscina({
      filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
      name: 'run',
      minThreads: FILL_THREADS,
      maxThreads: FILL_THREADS,
      workerData: { ...job, control } satisfies FillJob,
      // A thread without a task must leave its core to the others instead of spinning.
      atomics: 'disabled',
      recordTiming: false,
    });
  }

  /** The keys written of all ranges so far; it may lag a little. */
  get keysDone(): number {
    // It is a figure to show, so any recent value will do.
    return Atomics.load(this.#words, FillWord.keysDone);
  }

  /** Makes running and waiting tasks end soon, with an error. */
  cancel(): void {
    // Threads look at it now and then; nothing is ordered by it.
    Atomics.store(this.#words, FillWord.cancelled, 1);
  }

  /**
   * @returns for each range the table of each group, or null where the group has no key of the range
   * @throws QuorateError STORAGE, or CANCELLED, once every task has ended: the first failure cancels the others
   */
  async write(ranges: readonly FillRange[]): Promise<(readonly (TableMetadata | null)[])[]> {
    // Wait for all: a pool that is destroyed while tasks are ending fails on their results.
    const outcomes = await Promise.allSettled(ranges.map((range) => this.#write(range)));
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    if (reasons.length > 0) throw reasons.find((reason) => !isCancelled(reason)) ?? reasons[0];
    return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  }

  async #write(range: FillRange): Promise<readonly (TableMetadata | null)[]> {
    try {
      const result = await this.#pool.run(range);
      if (result.type === 'done') return result.tables;
      if (result.type === 'failed') throw new QuorateError('STORAGE', result.message);
      throw new QuorateError('CANCELLED', 'the fill was cancelled');
    } catch (error) {
      this.cancel();
      throw error;
    }
  }

  /** Resolves when no thread writes any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}

function isCancelled(error: unknown): boolean {
  return error instanceof QuorateError && error.code === 'CANCELLED';
}

import type { Worker } from 'node:worker_threads';
import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import type { BackgroundAnswer } from './protocol/posted-messages.ts';
import { type PoolOptions, ThreadPool } from './thread-pool.ts';
import type { PoolTask } from './worker.ts';

/**
 * The threads of jobs. The first starts with the first job, because a start of the engine needs none, and they end when
 * nothing was to be done for a while, as each takes more than ten MiB; another starts with the next job.
 */
export class BackgroundPool {
  readonly #options: PoolOptions;
  readonly #clock: EngineClock;
  readonly #onDeath: () => void;
  #pool: ThreadPool<BackgroundAnswer> | undefined;
  #closed = false;
  /** Of jobs that have not ended. */
  readonly #jobs = new Set<AbortController>();

  /** @param onDeath called some time after a thread has ended */
  constructor(options: PoolOptions, clock: EngineClock, onDeath: () => void) {
    this.#options = { ...options, minThreads: 0 };
    this.#clock = clock;
    this.#onDeath = onDeath;
  }

  get threads(): readonly Worker[] {
    return this.#pool?.threads ?? [];
  }

  /** @throws LsmError WORKER_DIED */
  async run(task: PoolTask): Promise<BackgroundAnswer> {
    if (this.#closed) throw new LsmError('WORKER_DIED', 'the threads of the engine have ended');
    this.#pool ??= new ThreadPool(this.#options, this.#clock, {
      onDeath: this.#onDeath,
      onUnstartable: (error) => {
        // While there is a thread it runs one of the jobs, and then the others.
        if (this.threads.length === 0) for (const job of this.#jobs) job.abort(error);
      },
    });
    const abort = new AbortController();
    this.#jobs.add(abort);
    try {
      return await this.#pool.run(task, abort.signal);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new LsmError('WORKER_DIED', `a background thread died (${message})`, { cause: error });
    } finally {
      this.#jobs.delete(abort);
    }
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    await this.#pool?.destroy();
  }
}

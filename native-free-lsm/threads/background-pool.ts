import type { Worker } from 'node:worker_threads';
import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import type { BackgroundAnswer } from './protocol/posted-messages.ts';
import { type PoolOptions, ThreadPool, UnstartableError } from './thread-pool.ts';
import type { PoolTask } from './worker.ts';

/**
 * The threads of jobs. The first starts with the first job, because a start of the engine needs none, and they end when
 * nothing was to be done for a while, as each takes more than ten MiB; another starts with the next job.
 */
export class BackgroundPool {
  readonly #pool: () => ThreadPool<BackgroundAnswer>;
  #made: ThreadPool<BackgroundAnswer> | undefined;
  #closed = false;

  /** @param onDeath called some time after a thread has ended */
  constructor(options: PoolOptions, maxThreads: number, clock: EngineClock, onDeath: () => void) {
    this.#pool = () => {
      this.#made ??= new ThreadPool({ options, clock, maxThreads, isShared: true, onDeath });
      return this.#made;
    };
  }

  get threads(): readonly Worker[] {
    return this.#made?.threads ?? [];
  }

  /** @throws LsmError WORKER_DIED */
  async run(task: PoolTask): Promise<BackgroundAnswer> {
    if (this.#closed) throw new LsmError('WORKER_DIED', 'the threads of the engine have ended');
    try {
      return await this.#pool().run(task);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const what = error instanceof UnstartableError ? 'cannot be started' : 'died';
      throw new LsmError('WORKER_DIED', `a background thread ${what} (${message})`, { cause: error });
    }
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    await this.#made?.destroy();
  }
}

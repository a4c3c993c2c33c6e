import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { PoolTask } from './worker.ts';

export type PoolOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>;

/** piscina types its transfer lists as a browser's, which have no Node ports. */
type RunOptions = Parameters<Piscina['run']>[1];

/** A task, and who waits for its end. */
export interface GivenWork<Result> {
  readonly task: PoolTask;
  readonly transferList: readonly object[];
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

interface PoolThreadEvents<Result> {
  /** It has done its task. */
  onFree(): void;
  /**
   * It has ended, or is about to.
   * @param notBegun the task that it was given, if it has ended before it could take any
   * @param why it has, then
   */
  onEnd(thread: PoolThread<Result>, notBegun: GivenWork<Result> | undefined, why: unknown): void;
}

/**
 * One thread, from its first task on, in a piscina of its own. A piscina of several threads starts the successor of one that
 * has died while it is told of the death, where nobody can catch that the system has no thread left: what the dead one had
 * in hand is never answered then, and the program has an uncaught exception. And it replaces none that has ended before it
 * was ready, for which its tasks wait for ever. One that may have no thread starts none by itself.
 */
export class PoolThread<Result> {
  readonly #pool: Piscina;
  readonly #events: PoolThreadEvents<Result>;
  #work: GivenWork<Result> | undefined;
  #isReady = false;
  #lastError: unknown = new Error('it ended before it took anything');

  constructor(options: PoolOptions, events: PoolThreadEvents<Result>) {
    this.#events = events;
    this.#pool = new Piscina({ ...options, minThreads: 0, maxThreads: 1 });
    this.#pool.on('workerCreate', () => {
      this.#isReady = true;
    });
    // Why a thread has ended that had no task.
    this.#pool.on('error', (error) => {
      this.#lastError = error;
    });
    // The error is told behind it.
    this.#pool.on('workerDestroy', () => queueMicrotask(this.#ended));
  }

  /** Whether it may be given a task. */
  get isFree(): boolean {
    return this.#work === undefined;
  }

  /** Itself, if it lives. */
  get workers(): readonly Worker[] {
    return this.#pool.threads;
  }

  /** @throws Error the system has no thread; nobody is told anything else then */
  begin(work: GivenWork<Result>): void {
    const { task, transferList, resolve, reject } = work;
    const ran: Promise<Result> = this.#pool.run(task, { transferList } as unknown as RunOptions);
    this.#work = work;
    ran
      .then(resolve, (error: unknown) => reject(withAdvice(error)))
      .then(() => {
        this.#work = undefined;
        this.#events.onFree();
      });
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }

  readonly #ended = (): void => {
    this.#events.onEnd(this, this.#isReady ? undefined : this.#work, this.#lastError);
  };
}

/** The error of a thread, and what to do where the system has not given it what it needs. */
export function withAdvice(error: unknown): Error {
  const given = error instanceof Error ? error : new Error(String(error));
  const advice = adviceOf(given);
  return advice === undefined ? given : new Error(`${given.message}: ${advice}`, { cause: error });
}

function adviceOf({ code, message }: Error & { readonly code?: unknown }): string | undefined {
  // Each thread needs some for itself and for its code.
  if (/\bE[MN]FILE\b|too many open files/i.test(message))
    return 'too many files are open; raise the limit (ulimit -n)';
  if (/\bEAGAIN\b/.test(message) || code === 'ERR_WORKER_INIT_FAILED')
    return 'the system has no more threads for this program; raise the limit (ulimit -u, or the pids of its container)';
  return undefined;
}

import { extname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import { type GivenWork, type PoolOptions, PoolThread, withAdvice } from './pool-thread.ts';
import { ProcessHold } from './process-hold.ts';
import type { PoolTask } from './worker.ts';

export type { PoolOptions } from './pool-thread.ts';

/** What is the same for all pools. */
export const POOL: PoolOptions = {
  filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
  name: 'run',
  // Roles block their threads themselves, and idle background threads must not block.
  atomics: 'disabled',
  recordTiming: false,
  // What the program's command line says is for its own code: a preloaded module may end a thread that it does not
  // expect, and `--input-type` with one ends every thread. NODE_OPTIONS hold for all threads.
  execArgv: [],
  // Long enough that an engine in which something is written now and then seldom starts a thread. Roles never idle.
  idleTimeout: 30_000,
  // The threads work in shared memory, so their own heaps hold little and make little garbage.
  resourceLimits: { maxYoungGenerationSizeMb: 1 },
};

/** @throws LsmError WORKER_DIED when Node is not allowed to start threads */
export function refuseWithoutThreads(): void {
  if (process.permission?.has('worker') === false)
    throw new LsmError('WORKER_DIED', 'this process may start no threads: run Node with --allow-worker');
}

/**
 * A thread that dies is told of no sooner after it was given its task. Roles are given again when they die, and that would
 * go on as fast as threads can die.
 */
const SOONEST_DEATH_MS = 100;
/** Dead threads are forgotten so long after their ends, when the last of them has ended indeed. */
const FORGET_MS = 100;
const CLOSED = 'its pool was closed';

/** There is no thread for a task, and none can be started: nobody has begun it. */
export class UnstartableError extends Error {}

interface ThreadPoolParts {
  readonly options: PoolOptions;
  readonly clock: EngineClock;
  readonly maxThreads: number;
  /** Whether the tasks of threads end by themselves, so that another may wait for a thread that is there. */
  readonly isShared: boolean;
  /** Called some time after a thread has ended. */
  readonly onDeath: () => void;
}

/**
 * Threads that are started when there is something for them to do, and not before the turn has ended in which the pool was
 * made: to make a thread takes the calling one some milliseconds, and what a program does in the turn of an opening, a
 * first get perhaps, needs none.
 *
 * A thread that cannot be started costs whoever asked for it an UnstartableError, and no more. It is not tried again here:
 * those who ask know what waits for it, and for how long they can do without.
 */
export class ThreadPool<Result> {
  readonly #parts: ThreadPoolParts;
  readonly #threads = new Set<PoolThread<Result>>();
  /** Tasks that no thread has. */
  readonly #waiting: GivenWork<Result>[] = [];
  /** While a task is not done: a thread at work keeps the process alive, but not one that is to be started. */
  readonly #hold = new ProcessHold();
  #isStarted = false;
  #closed = false;

  constructor(parts: ThreadPoolParts) {
    this.#parts = parts;
    parts.clock.endOfTurn(() => {
      this.#isStarted = true;
      this.#begin();
    });
  }

  get threads(): readonly Worker[] {
    return [...this.#threads].flatMap(({ workers }) => workers);
  }

  /**
   * Rejects with an UnstartableError when no thread has begun it.
   * @param transferList of the task
   */
  run(task: PoolTask, transferList: readonly object[] = []): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#hold.take();
    promise.then(this.#done, this.#done);
    if (this.#closed) reject(new Error(CLOSED));
    else {
      const soonestMs = this.#parts.clock.monotonicMs() + SOONEST_DEATH_MS;
      const fail = (error: Error): void => this.#failed(error, soonestMs, reject);
      this.#waiting.push({ task, transferList, resolve, reject: fail });
      if (this.#isStarted) this.#begin();
    }
    return promise;
  }

  readonly #done = (): void => this.#hold.letGo();

  #failed(error: Error, soonestMs: number, reject: (error: Error) => void): void {
    const { clock } = this.#parts;
    const leftMs = soonestMs - clock.monotonicMs();
    if (this.#closed || leftMs <= 0 || error instanceof UnstartableError) reject(error);
    else clock.after(leftMs, () => reject(error));
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(CLOSED));
    await Promise.all([...this.#threads].map((thread) => thread.destroy()));
  }

  /** Gives waiting tasks to threads that have none, and to new ones. */
  readonly #begin = (): void => {
    for (let work = this.#waiting.shift(); work !== undefined; work = this.#waiting.shift()) {
      const thread = this.#freeThread();
      if (thread === undefined) {
        this.#waiting.unshift(work);
        return;
      }
      try {
        thread.begin(work);
      } catch (error) {
        this.#threads.delete(thread);
        this.#notBegun(work, error);
        if (this.#waiting.length > 0 && this.#mayWait) return;
      }
    }
  };

  /** One without a task, a new one perhaps; undefined when all that there may be have one. */
  #freeThread(): PoolThread<Result> | undefined {
    for (const thread of this.#threads) if (thread.isFree) return thread;
    const { maxThreads, options } = this.#parts;
    if (this.#threads.size >= maxThreads) return undefined;
    const thread = new PoolThread<Result>(options, { onFree: this.#begin, onEnd: this.#ended });
    this.#threads.add(thread);
    return thread;
  }

  get #mayWait(): boolean {
    return this.#parts.isShared && this.#threads.size > 0;
  }

  readonly #ended = (
    thread: PoolThread<Result>,
    notBegun: GivenWork<Result> | undefined,
    why: unknown,
  ): void => {
    this.#threads.delete(thread);
    this.#parts.clock.after(FORGET_MS, this.#parts.onDeath);
    if (notBegun !== undefined) this.#notBegun(notBegun, why);
    // The next one would most likely end as soon, so it is not started while another thread may take the tasks.
    if (notBegun === undefined || !this.#mayWait) this.#begin();
  };

  /** The thread that was to have it could not be started. */
  #notBegun(work: GivenWork<Result>, why: unknown): void {
    if (this.#closed) work.reject(new Error(CLOSED));
    else if (this.#mayWait) this.#waiting.unshift(work);
    else work.reject(new UnstartableError(withAdvice(why).message, { cause: why }));
  }
}

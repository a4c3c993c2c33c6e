import { extname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import { ProcessHold } from './process-hold.ts';
import type { PoolTask } from './worker.ts';

export type PoolOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>;

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

/** piscina types its transfer lists as a browser's, which have no Node ports. */
type RunOptions = Parameters<Piscina['run']>[1];

/** How long after a thread has died the pool checks whether another has taken its place. */
const SUCCESSOR_MS = 100;
/** After so many threads in a row that end before they run anything, those who wait for one are told. */
const MAX_FAILED_STARTS = 3;

/**
 * A task fails no sooner after it was given. Roles are given again when they fail, and where a thread finds, say, no
 * descriptor for its code, that would go on as fast as threads can fail.
 */
const SOONEST_FAILURE_MS = 100;

/** There is no thread for a task, and none can be started: nobody has begun it. */
export class UnstartableError extends Error {}

interface ThreadPoolEvents {
  /** Called some time after a thread has ended. */
  onDeath(): void;
  /** Threads end before they run anything, or the system has none. It is tried again for as long as tasks wait. */
  onUnstartable(error: Error): void;
}

interface WaitingTask {
  readonly begin: (pool: Piscina) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A piscina pool that starts its threads when the turn has ended in which it was made: to make a thread takes the calling
 * one some milliseconds, and what a program does in the turn of an opening, a first get perhaps, needs none.
 *
 * It goes on where piscina does not: piscina does not replace a thread that has ended before it was ready, and a task in
 * its queue would wait for ever.
 */
export class ThreadPool<Result> {
  readonly #options: PoolOptions;
  readonly #clock: EngineClock;
  readonly #events: ThreadPoolEvents;
  #pool: Piscina | undefined;
  /** Tasks for the pool, while there is none. */
  #waiting: WaitingTask[] = [];
  /** While a task is not done: a thread at work keeps the process alive, but not one that is to be started. */
  readonly #hold = new ProcessHold();
  /** Those that have begun to take tasks. */
  readonly #ready = new WeakSet<object>();
  #failedStarts = 0;
  #lastError: unknown = new Error('it ended before it took anything');
  #closed = false;

  constructor(options: PoolOptions, clock: EngineClock, events: ThreadPoolEvents) {
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    clock.endOfTurn(this.#start);
  }

  get threads(): readonly Worker[] {
    return this.#pool?.threads ?? [];
  }

  /**
   * @param signal ends the task, and the thread if it has one
   * @param transferList of the task
   */
  run(task: PoolTask, signal: AbortSignal, transferList: readonly object[] = []): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    // piscina would put an error of its own around it.
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    const givenMs = this.#clock.monotonicMs();
    const fail = (error: Error): void => {
      const leftMs = givenMs + SOONEST_FAILURE_MS - this.#clock.monotonicMs();
      if (this.#closed || leftMs <= 0) reject(error);
      else this.#clock.after(leftMs, () => reject(error));
    };
    const begin = (pool: Piscina): void => {
      try {
        pool
          .run(task, { signal, transferList } as unknown as RunOptions)
          .then(resolve, (error: unknown) => fail(withAdvice(error)));
      } catch (error) {
        // The system has no thread for it.
        fail(new UnstartableError(withAdvice(error).message, { cause: error }));
      }
    };
    this.#failedStarts = 0;
    this.#hold.take();
    promise.then(this.#done, this.#done);
    if (this.#closed) reject(new Error(CLOSED));
    else if (this.#pool === undefined) this.#waiting.push({ begin, reject });
    else begin(this.#pool);
    return promise;
  }

  readonly #done = (): void => this.#hold.letGo();

  async destroy(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(CLOSED));
    await this.#pool?.destroy();
  }

  readonly #start = (): void => {
    if (this.#closed) return;
    let pool: Piscina;
    try {
      pool = new Piscina(this.#options);
    } catch (error) {
      this.#startFailed(error);
      this.#clock.after(SUCCESSOR_MS, this.#start);
      return;
    }
    this.#pool = pool;
    pool.on('workerCreate', (thread) => this.#ready.add(thread));
    pool.on('workerDestroy', (thread) =>
      this.#clock.after(SUCCESSOR_MS, () => {
        if (!this.#ready.has(thread)) this.#startFailed(this.#lastError);
        this.#look();
      }),
    );
    // Why a thread has ended that had no task.
    pool.on('error', (error) => {
      this.#lastError = error;
    });
    for (const { begin } of this.#waiting.splice(0)) begin(pool);
  };

  /** piscina counts its threads again when it is given another task. So it is given one, which is taken back at once. */
  readonly #look = (): void => {
    const pool = this.#pool;
    this.#events.onDeath();
    if (this.#closed || pool === undefined || pool.queueSize === 0) return;
    const nothing = new AbortController();
    try {
      pool.run({ role: 'nothing' }, { signal: nothing.signal } as RunOptions).catch(() => undefined);
    } catch (error) {
      this.#startFailed(error);
      this.#clock.after(SUCCESSOR_MS, this.#look);
    }
    nothing.abort();
  };

  #startFailed(cause: unknown): void {
    this.#failedStarts++;
    if (this.#closed || this.#failedStarts < MAX_FAILED_STARTS) return;
    this.#failedStarts = 0;
    const { message } = withAdvice(cause);
    this.#events.onUnstartable(new UnstartableError(`it could not be started: ${message}`, { cause }));
  }
}

const CLOSED = 'its pool was closed';

/** The error of a thread, and what to do where it could not open files: each needs some for itself and for its code. */
function withAdvice(error: unknown): Error {
  const given = error instanceof Error ? error : new Error(String(error));
  if (!/\bE[MN]FILE\b|too many open files/i.test(given.message)) return given;
  return new Error(`${given.message}: too many files are open; raise the limit (ulimit -n)`, {
    cause: error,
  });
}

import { extname } from 'node:path';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { systemEngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import { ControlWord } from '../shared/control.ts';
import { ThreadTable } from '../shared/thread-table.ts';
import type { SlotJobResult } from '../slots/slot-job.ts';
import { EngineThreads } from './engine-threads.ts';
import type { Executor, ExecutorContext, RoleHandle } from './executor.ts';
import {
  type BackgroundAnswer,
  type BackgroundJob,
  type BackgroundResult,
  type CheckpointJob,
  decodeJobAnswer,
  type ReaderInit,
  type SlotsJob,
  type WriterInit,
} from './protocol/posted-messages.ts';
import { type PoolOptions, ThreadPool } from './thread-pool.ts';
import type { PoolTask, PoolWorkerData } from './worker.ts';

/** What a task of the background pool gives: its result, or an error. */
type Answer<Result> = Result | Uint8Array;

/** A thread that takes the place of one that died may start before the row of that one is free. */
const SPARE_ROWS = 4;

/** Long enough that an engine in which something is written now and then seldom starts a thread. */
const BACKGROUND_IDLE_MS = 30_000;

/** A role that was given to the pool. */
interface RoleStart {
  /** As the thread table has it. */
  readonly name: string;
  /** Ends it. */
  readonly abort: AbortController;
}

/** Runs roles and jobs in threads: one piscina pool for the long-lived roles, one for flush and compaction. */
export class PoolExecutor implements Executor {
  readonly clock = systemEngineClock;
  readonly threads: EngineThreads;
  readonly #table: ThreadTable;
  readonly #words: Int32Array;
  readonly #onResponses: () => void;
  readonly #options: PoolOptions;
  readonly #roles: ThreadPool<undefined>;
  /** Those that have not ended. */
  #starts: RoleStart[] = [];
  readonly #backgroundPoolThreads: number;
  #background: ThreadPool<BackgroundAnswer> | undefined;
  /** Of jobs that have not ended. */
  readonly #jobs = new Set<AbortController>();
  #closed = false;

  /**
   * @param options what threads are started with besides or instead of the usual, for those who try what happens then
   * @throws LsmError WORKER_DIED when Node is not allowed to start threads
   */
  constructor(
    { control, threads, backgroundThreads, onResponses }: ExecutorContext,
    options: PoolOptions = {},
  ) {
    if (process.permission?.has('worker') === false)
      throw new LsmError('WORKER_DIED', 'this process may start no threads: run Node with --allow-worker');
    this.#options = { ...POOL, ...options };
    this.#words = new Int32Array(control);
    this.#onResponses = onResponses;
    this.#backgroundPoolThreads = backgroundThreads;
    this.#table = ThreadTable.create(threads + backgroundThreads + SPARE_ROWS);
    this.threads = new EngineThreads(
      this.#table,
      () => [...this.roleThreads, ...this.backgroundThreads],
      this.clock,
    );
    this.#roles = new ThreadPool(
      { ...this.#poolOptions('log'), minThreads: threads, maxThreads: threads },
      this.clock,
      {
        onDeath: () => this.threads.forgetDead(),
        onUnstartable: (error) => {
          const begun = new Set(this.threads.list().map(({ name }) => name));
          for (const { abort, name } of this.#starts) if (!begun.has(name)) abort.abort(error);
        },
      },
    );
    this.#listen();
  }

  /** The threads of the roles. */
  get roleThreads(): readonly Worker[] {
    return this.#roles.threads;
  }

  get backgroundThreads(): readonly Worker[] {
    return this.#background?.threads ?? [];
  }

  startWriter(init: WriterInit): RoleHandle {
    return this.#start('writer', { role: 'writer', init });
  }

  startReader(init: ReaderInit): RoleHandle {
    return this.#start(`reader-${init.number}`, { role: 'reader', init });
  }

  async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    return decodeJobAnswer(
      (await this.#inBackground({ role: 'background', job })) as Answer<BackgroundResult>,
    );
  }

  async runSlots(job: SlotsJob): Promise<SlotJobResult> {
    return decodeJobAnswer((await this.#inBackground({ role: 'slots', job })) as Answer<SlotJobResult>);
  }

  async runCheckpoint(job: CheckpointJob): Promise<void> {
    decodeJobAnswer(await this.#inBackground({ role: 'checkpoint', job }));
  }

  async #inBackground(task: PoolTask): Promise<BackgroundAnswer> {
    // It is made when it is first needed, because a start needs no background threads. Its threads end when nothing was
    // to be done for a while, as each takes more than ten MiB; another starts with the next job. Roles never idle.
    this.#background ??= new ThreadPool(
      { ...this.#poolOptions('tables'), minThreads: 0, maxThreads: this.#backgroundPoolThreads },
      this.clock,
      {
        onDeath: () => this.threads.forgetDead(),
        onUnstartable: (error) => {
          // While there is a thread it runs one of the jobs, and then the others.
          if (this.backgroundThreads.length === 0) for (const job of this.#jobs) job.abort(error);
        },
      },
    );
    const abort = new AbortController();
    this.#jobs.add(abort);
    try {
      return await this.#background.run(task, abort.signal);
    } catch (error) {
      throw new LsmError('WORKER_DIED', `a background thread died (${messageOf(error)})`, { cause: error });
    } finally {
      this.#jobs.delete(abort);
    }
  }

  kick(): void {
    // Publishing to a ring has woken its thread already.
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#roles.destroy(), this.#background?.destroy()]);
    // V8 keeps a wait that nothing ends, and with it all that its promise leads to: the memory of the whole engine. The
    // value stays as it is, as nobody is left who would compare it.
    Atomics.notify(this.#words, ControlWord.doorbell);
  }

  /** @param writes what these threads write */
  #poolOptions(writes: PoolWorkerData['writes']) {
    const workerData: PoolWorkerData = { table: this.#table.memory, writes };
    return { ...this.#options, workerData };
  }

  #start(name: string, task: Pick<PoolTask & { role: 'writer' | 'reader' }, 'role' | 'init'>): RoleHandle {
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    const start = { name, abort: new AbortController() };
    this.#starts.push(start);
    const exited = this.#roles
      .run({ ...task, port: port2 } as PoolTask, start.abort.signal, [port2])
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
      .finally(() => {
        this.#starts = this.#starts.filter((each) => each !== start);
        port1.close();
      });
    return { post: (message) => port1.postMessage(message), exited };
  }

  /** Waits for the doorbell, without blocking, for as long as the pool is open. */
  readonly #listen = (): void => {
    while (!this.#closed) {
      // Acquire, and before the responses are drained: a response that is published in between changes the value...
      const seen = Atomics.load(this.#words, ControlWord.doorbell);
      this.#onResponses();
      // ...so that this wait, which compares the value, returns at once, and no response is missed.
      const wait = Atomics.waitAsync(this.#words, ControlWord.doorbell, seen);
      if (wait.async) {
        wait.value.then(this.#listen);
        return;
      }
    }
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const POOL: PoolOptions = {
  filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
  name: 'run',
  idleTimeout: BACKGROUND_IDLE_MS,
  // Roles block their threads themselves, and idle background threads must not block.
  atomics: 'disabled',
  recordTiming: false,
  // The threads work in shared memory, so their own heaps hold little and make little garbage.
  resourceLimits: { maxYoungGenerationSizeMb: 2 },
};

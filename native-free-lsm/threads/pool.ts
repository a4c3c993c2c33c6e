import { MessageChannel, type Worker } from 'node:worker_threads';
import { systemEngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
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
import { ResponseBell } from './response-bell.ts';
import { POOL, type PoolOptions, refuseWithoutThreads, ThreadPool } from './thread-pool.ts';
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
  readonly #bell: ResponseBell;
  readonly #options: PoolOptions;
  readonly #roles: ThreadPool<undefined>;
  /** Those that have not ended. */
  #starts: RoleStart[] = [];
  readonly #backgroundPoolThreads: number;
  #background: ThreadPool<BackgroundAnswer> | undefined;
  #closed = false;
  /** Of jobs that have not ended. */
  readonly #jobs = new Set<AbortController>();

  /**
   * @param options what threads are started with besides or instead of the usual, for those who try what happens then
   * @throws LsmError WORKER_DIED when Node is not allowed to start threads
   */
  constructor(
    { control, threads, backgroundThreads, onResponses }: ExecutorContext,
    options: PoolOptions = {},
  ) {
    refuseWithoutThreads();
    this.#options = { ...POOL, idleTimeout: BACKGROUND_IDLE_MS, ...options };
    this.#bell = new ResponseBell(control, onResponses);
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
    this.#bell.listen();
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
    if (this.#closed) throw new LsmError('WORKER_DIED', 'the threads of the engine have ended');
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
    this.#bell.silence();
    await Promise.all([this.#roles.destroy(), this.#background?.destroy()]);
    this.#bell.close();
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
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

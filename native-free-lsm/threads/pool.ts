import { MessageChannel, type Worker } from 'node:worker_threads';
import { systemEngineClock } from '../clock.ts';
import { ThreadTable } from '../shared/thread-table.ts';
import type { SlotJobResult } from '../slots/slot-job.ts';
import { BackgroundPool } from './background-pool.ts';
import { EngineThreads } from './engine-threads.ts';
import type { Executor, ExecutorContext, RoleHandle } from './executor.ts';
import {
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

/** Runs roles and jobs in threads: one pool for the long-lived roles, one for flush and compaction. */
export class PoolExecutor implements Executor {
  readonly clock = systemEngineClock;
  readonly threads: EngineThreads;
  readonly #table: ThreadTable;
  readonly #bell: ResponseBell;
  readonly #options: PoolOptions;
  readonly #roles: ThreadPool<undefined>;
  readonly #background: BackgroundPool;

  /**
   * @param options what threads are started with besides or instead of the usual, for those who try what happens then
   * @throws LsmError WORKER_DIED when Node is not allowed to start threads
   */
  constructor(
    { control, threads, backgroundThreads, onResponses }: ExecutorContext,
    options: PoolOptions = {},
  ) {
    refuseWithoutThreads();
    this.#options = { ...POOL, ...options };
    this.#bell = new ResponseBell(control, onResponses);
    this.#table = ThreadTable.create(threads + backgroundThreads + SPARE_ROWS);
    this.threads = new EngineThreads(
      this.#table,
      () => [...this.roleThreads, ...this.backgroundThreads],
      this.clock,
    );
    const onDeath = (): void => this.threads.forgetDead();
    this.#background = new BackgroundPool(
      this.#poolOptions('tables'),
      backgroundThreads,
      this.clock,
      onDeath,
    );
    this.#roles = new ThreadPool({
      options: this.#poolOptions('log'),
      clock: this.clock,
      maxThreads: threads,
      isShared: false,
      onDeath,
    });
    this.#bell.listen();
  }

  /** The threads of the roles. */
  get roleThreads(): readonly Worker[] {
    return this.#roles.threads;
  }

  get backgroundThreads(): readonly Worker[] {
    return this.#background.threads;
  }

  startWriter(init: WriterInit): RoleHandle {
    return this.#start({ role: 'writer', init });
  }

  startReader(init: ReaderInit): RoleHandle {
    return this.#start({ role: 'reader', init });
  }

  async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    return decodeJobAnswer(
      (await this.#background.run({ role: 'background', job })) as Answer<BackgroundResult>,
    );
  }

  async runSlots(job: SlotsJob): Promise<SlotJobResult> {
    return decodeJobAnswer((await this.#background.run({ role: 'slots', job })) as Answer<SlotJobResult>);
  }

  async runCheckpoint(job: CheckpointJob): Promise<void> {
    decodeJobAnswer(await this.#background.run({ role: 'checkpoint', job }));
  }

  kick(): void {
    // Publishing to a ring has woken its thread already.
  }

  async close(): Promise<void> {
    this.#bell.silence();
    await Promise.all([this.#roles.destroy(), this.#background.destroy()]);
    this.#bell.close();
  }

  /** @param writes what these threads write */
  #poolOptions(writes: PoolWorkerData['writes']) {
    const workerData: PoolWorkerData = { table: this.#table.memory, writes };
    return { ...this.#options, workerData };
  }

  #start(task: Pick<PoolTask & { role: 'writer' | 'reader' }, 'role' | 'init'>): RoleHandle {
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    const exited = this.#roles
      .run({ ...task, port: port2 } as PoolTask, [port2])
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
      .finally(() => port1.close());
    return { post: (message) => port1.postMessage(message), exited };
  }
}

import { extname } from 'node:path';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
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
import type { PoolTask, PoolWorkerData } from './worker.ts';

/** piscina types its transfer lists as a browser's, which have no Node ports. */
type RunOptions = Parameters<Piscina['run']>[1];

/** What a task of the background pool gives: its result, or an error. */
type Answer<Result> = Result | Uint8Array;

/** How long after a thread has died the pool checks whether another has taken its place. */
const SUCCESSOR_MS = 100;
/** A thread that takes the place of one that died may start before the row of that one is free. */
const SPARE_ROWS = 4;

/** Runs roles and jobs in threads: one piscina pool for the long-lived roles, one for flush and compaction. */
export class PoolExecutor implements Executor {
  readonly clock = systemEngineClock;
  readonly threads: EngineThreads;
  readonly #table: ThreadTable;
  readonly #words: Int32Array;
  readonly #onResponses: () => void;
  readonly #roles: Piscina<PoolTask, undefined>;
  readonly #backgroundPoolThreads: number;
  #background: Piscina<PoolTask, BackgroundAnswer> | undefined;
  #closed = false;

  constructor({ control, threads, backgroundThreads, onResponses }: ExecutorContext) {
    this.#words = new Int32Array(control);
    this.#onResponses = onResponses;
    this.#backgroundPoolThreads = backgroundThreads;
    this.#table = ThreadTable.create(threads + backgroundThreads + SPARE_ROWS);
    this.threads = new EngineThreads(
      this.#table,
      () => [...this.roleThreads, ...this.backgroundThreads],
      this.clock,
    );
    this.#roles = this.#watched(
      new Piscina({ ...this.#poolOptions('log'), minThreads: threads, maxThreads: threads }),
    );
    this.#listen();
  }

  /** The threads of the roles. Before anything was started, the first is the one that the writer will get. */
  get roleThreads(): readonly Worker[] {
    return this.#roles.threads;
  }

  get backgroundThreads(): readonly Worker[] {
    return this.#background?.threads ?? [];
  }

  startWriter(init: WriterInit): RoleHandle {
    return this.#start({ role: 'writer', init });
  }

  startReader(init: ReaderInit): RoleHandle {
    return this.#start({ role: 'reader', init });
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
    // It is made when it is first needed, because a start needs no background threads.
    this.#background ??= this.#watched(
      new Piscina({ ...this.#poolOptions('tables'), minThreads: 1, maxThreads: this.#backgroundPoolThreads }),
    );
    try {
      return await this.#background.run(task);
    } catch (error) {
      throw new LsmError('WORKER_DIED', `a background thread died (${messageOf(error)})`, { cause: error });
    }
  }

  kick(): void {
    // Publishing to a ring has woken its thread already.
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#roles.destroy(), this.#background?.destroy()]);
  }

  /** @param writes what these threads write */
  #poolOptions(writes: PoolWorkerData['writes']) {
    const workerData: PoolWorkerData = { table: this.#table.memory, writes };
    return { ...POOL, workerData };
  }

  #start(task: Pick<PoolTask & { role: 'writer' | 'reader' }, 'role' | 'init'>): RoleHandle {
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    const exited = this.#roles
      .run({ ...task, port: port2 } as PoolTask, { transferList: [port2] } as unknown as RunOptions)
      .then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
      )
      .finally(() => port1.close());
    return { post: (message) => port1.postMessage(message), exited };
  }

  /**
   * piscina does not replace a thread that died before it was ready, and a task in its queue would wait for ever. But it
   * counts its threads again when it is given another task. So it is given one, which is taken back at once.
   */
  #watched<Result>(pool: Piscina<PoolTask, Result>): Piscina<PoolTask, Result> {
    const look = (): void => {
      this.threads.forgetDead();
      if (this.#closed || pool.queueSize === 0) return;
      const nothing = new AbortController();
      pool.run({ role: 'nothing' }, { signal: nothing.signal } as RunOptions).catch(() => undefined);
      nothing.abort();
    };
    pool.on('workerDestroy', () => this.clock.after(SUCCESSOR_MS, look));
    // A thread has died without a task. Nobody waits for it, and piscina replaces it.
    pool.on('error', () => undefined);
    return pool;
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

const POOL = {
  filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
  name: 'run',
  idleTimeout: Number.POSITIVE_INFINITY,
  // Roles block their threads themselves, and idle background threads must not block.
  atomics: 'disabled',
  recordTiming: false,
  // The threads work in shared memory, so their own heaps hold little and make little garbage.
  resourceLimits: { maxYoungGenerationSizeMb: 6 },
} as const;

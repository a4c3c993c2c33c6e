import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  type Transferable,
} from 'node:worker_threads';
import { systemEngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ControlWord } from '../shared/control.ts';
import { ThreadTable } from '../shared/thread-table.ts';
import type { SlotJobResult } from '../slots/slot-job.ts';
import { BackgroundPool } from './background-pool.ts';
import { EngineThreads } from './engine-threads.ts';
import type { Executor, ExecutorContext, RoleHandle } from './executor.ts';
import { endSync } from './main-synced-fs.ts';
import {
  type BackgroundAnswer,
  type BackgroundJob,
  type BackgroundResult,
  type CheckpointJob,
  decodeJobAnswer,
  type GivenTask,
  type ReaderInit,
  type SlotsJob,
  type SyncCall,
  type SyncEnd,
  type TaskEnd,
  type ThreadTask,
  type WriterInit,
} from './protocol/posted-messages.ts';
import { ResponseBell } from './response-bell.ts';
import { POOL, type PoolOptions, refuseWithoutThreads, ThreadPool, UnstartableError } from './thread-pool.ts';
import type { PoolWorkerData } from './worker.ts';

/** One or two run, and others may have ended whose rows are not free yet. */
const ROWS = 6;

/** What a task has come to. */
interface Outcome {
  readonly answer?: BackgroundAnswer | undefined;
  readonly error?: Error | undefined;
}

/** The thread that runs, or starts. */
interface LiveThread {
  readonly port: MessagePort;
  /** By their numbers, those that have not ended. */
  readonly tasks: Map<number, (outcome: Outcome) => void>;
}

/**
 * Runs roles and jobs in one thread, in turns (threads/single-thread.ts). When the thread dies so does all that it had in
 * hand; what is started after that has another thread.
 *
 * While compactions do not keep up with writes they have a thread of their own, and as long as that lives.
 */
export class SingleThreadExecutor implements Executor {
  readonly clock = systemEngineClock;
  readonly threads: EngineThreads;
  readonly #control: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #fs: FileSystem;
  readonly #bell: ResponseBell;
  readonly #pool: ThreadPool<undefined>;
  readonly #background: BackgroundPool;
  readonly #maySpill: boolean;
  #thread: LiveThread | undefined;
  #lastId = 0;

  /**
   * @param options as of PoolExecutor
   * @throws LsmError WORKER_DIED when Node is not allowed to start threads
   */
  constructor({ backgroundThreads, control, fs, onResponses }: ExecutorContext, options: PoolOptions = {}) {
    refuseWithoutThreads();
    this.#control = control;
    this.#maySpill = backgroundThreads > 0;
    this.#words = new Int32Array(control);
    this.#fs = fs;
    this.#bell = new ResponseBell(control, onResponses);
    const table = ThreadTable.create(ROWS);
    const poolOptions = (writes: PoolWorkerData['writes']) => {
      const workerData: PoolWorkerData = { table: table.memory, writes };
      return { ...POOL, ...options, workerData };
    };
    const onDeath = (): void => this.threads.forgetDead();
    this.#background = new BackgroundPool(poolOptions('tables'), 1, this.clock, onDeath);
    this.#pool = new ThreadPool({
      options: poolOptions('log'),
      clock: this.clock,
      maxThreads: 1,
      isShared: false,
      onDeath,
    });
    this.threads = new EngineThreads(
      table,
      () => [...this.#pool.threads, ...this.#background.threads],
      this.clock,
    );
    this.#bell.listen();
  }

  startWriter(init: WriterInit): RoleHandle {
    return this.#start((port) => ({ role: 'writer', init, port }));
  }

  startReader(init: ReaderInit): RoleHandle {
    return this.#start((port) => ({ role: 'reader', init, port }));
  }

  async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    const task = { role: 'background', job } as const;
    const answer = this.#isSpilled(job) ? this.#runBeside(task) : this.#run(task);
    return decodeJobAnswer((await answer) as BackgroundResult | Uint8Array);
  }

  async runSlots(job: SlotsJob): Promise<SlotJobResult> {
    return decodeJobAnswer((await this.#run({ role: 'slots', job })) as SlotJobResult | Uint8Array);
  }

  async runCheckpoint(job: CheckpointJob): Promise<void> {
    decodeJobAnswer(await this.#run({ role: 'checkpoint', job }));
  }

  kick(): void {
    // After what was published, in rings or by tasksPosted: whoever sees the bell changed finds it.
    Atomics.add(this.#words, ControlWord.requestBell, 1);
    Atomics.notify(this.#words, ControlWord.requestBell, 1);
  }

  async close(): Promise<void> {
    this.#bell.silence();
    await Promise.all([this.#pool.destroy(), this.#background.destroy()]);
    this.#bell.close();
  }

  /** Whether a job has the thread for compactions. */
  #isSpilled({ job }: BackgroundJob): boolean {
    if (job.type !== 'merge' || !this.#maySpill) return false;
    // Main itself stores it: while it is above 0 writes are slowed down for compactions.
    return this.#background.threads.length > 0 || Atomics.load(this.#words, ControlWord.slowdownMicros) > 0;
  }

  /** In the thread for compactions, or, where the system has none, in the one that is there. */
  async #runBeside(task: ThreadTask): Promise<BackgroundAnswer> {
    try {
      return await this.#background.run(task);
    } catch (error) {
      if ((error as LsmError).cause instanceof UnstartableError) return this.#run(task);
      throw error;
    }
  }

  #start(taskOf: (port: MessagePort) => ThreadTask): RoleHandle {
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    const ended = this.#give(taskOf(port2), [port2]);
    const exited = ended.then(({ error }) => error).finally(() => port1.close());
    return { post: (message) => port1.postMessage(message), exited };
  }

  async #run(task: ThreadTask): Promise<BackgroundAnswer> {
    const { answer, error } = await this.#give(task);
    if (error === undefined) return answer;
    const what = error instanceof UnstartableError ? 'cannot be started' : 'died';
    throw new LsmError('WORKER_DIED', `the engine's thread ${what} (${error.message})`, { cause: error });
  }

  #give(task: ThreadTask, transferList: Transferable[] = []): Promise<Outcome> {
    this.#thread ??= this.#startThread();
    const { port, tasks } = this.#thread;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const id = ++this.#lastId;
    tasks.set(id, resolve);
    this.#post(port, { id, task }, transferList);
    return promise;
  }

  #post(port: MessagePort, message: GivenTask | SyncEnd, transferList: Transferable[] = []): void {
    port.postMessage(message, transferList);
    // Release: who sees the count finds the message.
    Atomics.add(this.#words, ControlWord.tasksPosted, 1);
    this.kick();
  }

  #hear(thread: LiveThread, said: TaskEnd | SyncCall): void {
    if ('sync' in said) void endSync(this.#fs, said).then((end) => this.#post(thread.port, end));
    else settle(thread, said);
  }

  #startThread(): LiveThread {
    const { port1, port2 } = new MessageChannel();
    const thread: LiveThread = { port: port1, tasks: new Map() };
    port1.on('message', (said: TaskEnd | SyncCall) => this.#hear(thread, said));
    port1.unref();
    const task = { role: 'all', control: this.#control, port: port2 } as const;
    this.#pool.run(task, [port2]).then(
      () => this.#ended(thread, undefined),
      (error: unknown) => this.#ended(thread, error instanceof Error ? error : new Error(String(error))),
    );
    return thread;
  }

  #ended(thread: LiveThread, error: Error | undefined): void {
    if (this.#thread === thread) this.#thread = undefined;
    // What it had said before comes first.
    const { port, tasks } = thread;
    for (let said = receiveMessageOnPort(port); said !== undefined; said = receiveMessageOnPort(port))
      if (!('sync' in said.message)) settle(thread, said.message as TaskEnd);
    port.close();
    // Nobody does what it has not said that it has done, however it has ended.
    for (const resolve of tasks.values()) resolve({ error: error ?? new Error('it has ended') });
    tasks.clear();
  }
}

function settle({ tasks }: LiveThread, { answer, fault, id }: TaskEnd): void {
  const resolve = tasks.get(id);
  tasks.delete(id);
  resolve?.(fault === undefined ? { answer } : { error: new Error(fault) });
}

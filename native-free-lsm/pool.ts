import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Executor, ExecutorContext, RoleHandle } from './executor.ts';
import type { BackgroundJob, BackgroundResult, ReaderInit, WriterInit } from './roles/messages.ts';
import { toLsmError } from './roles/protocol.ts';
import { ControlWord } from './shared/control.ts';
import type { PoolTask } from './worker.ts';

/** The options piscina types as a browser's, whose transfer lists know no Node port. */
type RunOptions = Parameters<Piscina['run']>[1];

/** Real threads: one piscina pool for the long-lived roles, one for flush and compaction. */
export class PoolExecutor implements Executor {
  readonly #words: Int32Array;
  readonly #onResponses: () => void;
  readonly #roles: Piscina<PoolTask, undefined>;
  readonly #backgroundThreads: number;
  #background: Piscina<PoolTask, BackgroundResult> | undefined;
  #closed = false;

  constructor({ control, threads, backgroundThreads, onResponses }: ExecutorContext) {
    this.#words = new Int32Array(control);
    this.#onResponses = onResponses;
    this.#backgroundThreads = backgroundThreads;
    this.#roles = new Piscina({ ...POOL, minThreads: threads, maxThreads: threads });
    this.#listen();
  }

  startWriter(init: WriterInit): RoleHandle {
    return this.#start({ role: 'writer', init });
  }

  startReader(init: ReaderInit): RoleHandle {
    return this.#start({ role: 'reader', init });
  }

  async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    // Made when first needed: start-up has no use for its threads.
    this.#background ??= new Piscina({ ...POOL, minThreads: 1, maxThreads: this.#backgroundThreads });
    return await this.#background.run({ role: 'background', job });
  }

  kick(): void {
    // Publishing to a ring has woken its thread.
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#roles.destroy(), this.#background?.destroy()]);
  }

  #start(task: Pick<PoolTask & { role: 'writer' | 'reader' }, 'role' | 'init'>): RoleHandle {
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    const exited = this.#roles
      .run({ ...task, port: port2 } as PoolTask, { transferList: [port2] } as unknown as RunOptions)
      .then(
        () => undefined,
        (error: unknown) => toLsmError(error, `the ${task.role} thread died`),
      )
      .finally(() => port1.close());
    return { post: (message) => port1.postMessage(message), exited };
  }

  /**
   * Waits for the doorbell, without blocking, for as long as the pool is open. The value is loaded before the
   * responses are drained: one that is published in between changes it, and the wait returns at once.
   */
  readonly #listen = (): void => {
    while (!this.#closed) {
      const seen = Atomics.load(this.#words, ControlWord.doorbell);
      this.#onResponses();
      const wait = Atomics.waitAsync(this.#words, ControlWord.doorbell, seen);
      if (wait.async) {
        wait.value.then(this.#listen);
        return;
      }
    }
  };
}

const POOL = {
  filename: new URL('./worker.ts', import.meta.url).href,
  name: 'run',
  idleTimeout: Number.POSITIVE_INFINITY,
  // Roles block their threads anyway, and idle background threads must not.
  atomics: 'disabled',
  recordTiming: false,
} as const;

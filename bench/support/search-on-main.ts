/** The engine with its table search on the main thread, to measure what the pool avoids. */

import type { EngineClock } from '../../native-free-lsm/index.ts';
import { InlineExecutor } from '../../native-free-lsm/simulation/index.ts';
import type { SlotJobResult } from '../../native-free-lsm/slots/slot-job.ts';
import type { Executor, ExecutorContext, RoleHandle } from '../../native-free-lsm/threads/executor.ts';
import { PoolExecutor } from '../../native-free-lsm/threads/pool.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  CheckpointJob,
  ReaderInit,
  SlotsJob,
  WriterInit,
} from '../../native-free-lsm/threads/protocol/posted-messages.ts';

export class SearchOnMainExecutor implements Executor {
  readonly #pool: PoolExecutor;
  readonly #main: InlineExecutor;

  constructor(context: ExecutorContext) {
    // Only the writer's thread.
    this.#pool = new PoolExecutor({ ...context, threads: 1 });
    this.#main = new InlineExecutor(context);
  }

  get clock(): EngineClock {
    return this.#pool.clock;
  }

  startWriter(init: WriterInit): RoleHandle {
    return this.#pool.startWriter(init);
  }

  startReader(init: ReaderInit): RoleHandle {
    return this.#main.startReader(init);
  }

  runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    return this.#pool.runBackground(job);
  }

  runSlots(job: SlotsJob): Promise<SlotJobResult> {
    return this.#pool.runSlots(job);
  }

  runCheckpoint(job: CheckpointJob): Promise<void> {
    return this.#pool.runCheckpoint(job);
  }

  kick(): void {
    this.#main.kick();
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#main.close()]);
  }
}

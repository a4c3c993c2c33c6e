import type { FileSystem } from '../fs/file-system.ts';
import { tableFileName, temporaryTableFileName } from '../sstable/table-metadata.ts';
import type { Executor } from '../threads/executor.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import type { BackgroundJob, BackgroundResult } from '../threads/protocol/posted-messages.ts';
import type { TableMemory } from './table-memory.ts';

/** Has jobs that write tables run in background threads. A job that fails leaves no file. */
export class BackgroundJobs {
  readonly #executor: Pick<Executor, 'runBackground'>;
  readonly #fs: FileSystem;
  readonly #control: SharedArrayBuffer;
  readonly #memory: TableMemory;

  constructor(
    executor: Pick<Executor, 'runBackground'>,
    fs: FileSystem,
    control: SharedArrayBuffer,
    memory: TableMemory,
  ) {
    this.#executor = executor;
    this.#fs = fs;
    this.#control = control;
    this.#memory = memory;
  }

  /** @throws LsmError with which the job has ended, WORKER_DIED */
  async run(job: BackgroundJob['job']): Promise<BackgroundResult> {
    const memory = this.#memory.lend();
    try {
      const result = await this.#executor.runBackground({ job, control: this.#control, memory });
      this.#memory.takeBack(memory, result.memoryLeft);
      return result;
    } catch (error) {
      // The job has ended, or its thread has: nobody uses what was lent.
      this.#memory.takeBack(memory);
      // A job that fails removes what it wrote; one whose thread died could not.
      if (toLsmError(error, 'background').code === 'WORKER_DIED') await this.#removeRemains(job);
      throw error;
    }
  }

  /**
   * Tables are begun in the order of their numbers, so when neither of a table's two files exists, no later table does.
   */
  async #removeRemains(job: BackgroundJob['job']): Promise<void> {
    const { directory, fileIds } = 'spec' in job ? job.spec : job;
    for (const id of fileIds) {
      const names = [temporaryTableFileName(id), tableFileName(id)];
      const removals = names.map((name) => this.#fs.remove(`${directory}/${name}`));
      const results = await Promise.allSettled(removals);
      if (results.every(({ status }) => status === 'rejected')) return;
    }
  }
}

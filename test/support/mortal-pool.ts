/** Real threads of an engine that can be killed, each at any moment. */
import type { Worker } from 'node:worker_threads';
import type { ExecutorContext } from '../../native-free-lsm/threads/executor.ts';
import { PoolExecutor } from '../../native-free-lsm/threads/pool.ts';
import type { Random } from '../../src/clock.ts';

export class MortalPool extends PoolExecutor {
  #writer: Worker | undefined;

  /** Resolves when the thread is gone; false when there was none, or nobody knows yet which one is the writer's. */
  async killReader(random: Random): Promise<boolean> {
    const writer = this.#findWriter();
    if (writer === undefined) return false;
    return await killOne(
      this.roleThreads.filter((thread) => thread !== writer),
      random,
    );
  }

  async killBackground(random: Random): Promise<boolean> {
    return await killOne(this.backgroundThreads, random);
  }

  async killWriter(): Promise<void> {
    await this.#findWriter()?.terminate();
  }

  #findWriter(): Worker | undefined {
    const found = this.threads.list().find(({ name }) => name === 'writer');
    this.#writer ??= found?.handle as Worker | undefined;
    return this.#writer;
  }
}

async function killOne(threads: readonly Worker[], random: Random): Promise<boolean> {
  if (threads.length === 0) return false;
  await threads[Math.floor(random() * threads.length)].terminate();
  return true;
}

/** An executor for `Environment`, and the pool that it has made. */
export function mortalPool(): { executor: (context: ExecutorContext) => MortalPool; pool: () => MortalPool } {
  let made: MortalPool | undefined;
  return {
    executor: (context) => {
      made = new MortalPool(context);
      return made;
    },
    pool: () => made as MortalPool,
  };
}

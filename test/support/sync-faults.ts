/**
 * Which syncs of the disk fail, in all threads of an engine: the fault lies in shared memory that each thread is started
 * with. Descriptors are the process's, so what one thread has opened another may sync.
 */
import { setEnvironmentData } from 'node:worker_threads';
import { NodeFileSystem } from '../../native-free-lsm/index.ts';
import type { Executor, ExecutorFactory } from '../../native-free-lsm/threads/executor.ts';
import { PoolExecutor } from '../../native-free-lsm/threads/pool.ts';
import { SingleThreadExecutor } from '../../native-free-lsm/threads/single-thread-executor.ts';
import { SYNC_FAULTS, SyncedKind, SyncFaultMemory } from './sync-fault-memory.ts';

const PRELOADED = new URL('./preloaded-sync-faults.ts', import.meta.url).href;

/** The files of the main thread. */
class FaultyFiles extends NodeFileSystem {
  readonly #memory: SyncFaultMemory;

  constructor(memory: SyncFaultMemory) {
    super();
    this.#memory = memory;
  }

  override createSync(path: string): number {
    return this.#memory.opened(super.createSync(path), path);
  }

  override openWriteSync(path: string): number {
    return this.#memory.opened(super.openWriteSync(path), path);
  }

  override async create(path: string): Promise<number> {
    return this.#memory.opened(await super.create(path), path);
  }

  override fdatasyncSync(fd: number): void {
    this.#memory.check(this.#memory.kindOf(fd));
    super.fdatasyncSync(fd);
  }

  override async fdatasync(fd: number): Promise<void> {
    this.#memory.check(this.#memory.kindOf(fd));
    await super.fdatasync(fd);
  }

  override syncDirectorySync(path: string): void {
    this.#memory.check(SyncedKind.directory);
    super.syncDirectorySync(path);
  }

  override async syncDirectory(path: string): Promise<void> {
    this.#memory.check(SyncedKind.directory);
    await super.syncDirectory(path);
  }
}

/** What an engine is opened with so that its syncs can fail. */
export class SyncFaults {
  readonly memory = SyncFaultMemory.create();
  readonly fs = new FaultyFiles(this.memory);
  readonly executor: ExecutorFactory = (context): Executor => {
    setEnvironmentData(SYNC_FAULTS, this.memory.shared);
    const options = { execArgv: ['--import', PRELOADED] };
    return context.isSingleThread
      ? new SingleThreadExecutor(context, options)
      : new PoolExecutor(context, options);
  };
}

import type { EngineClock } from '../clock.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  ReaderInit,
  WorkerMessage,
  WriterInit,
} from './protocol/posted-messages.ts';

/** A long-lived role at work. */
export interface RoleHandle {
  post(message: WorkerMessage): void;
  /** Resolves when the role has ended: undefined after a stop, the error when its thread died. */
  readonly exited: Promise<Error | undefined>;
}

export interface ExecutorContext {
  readonly control: SharedArrayBuffer;
  readonly fs: FileSystem;
  readonly clock: EngineClock;
  readonly threads: number;
  readonly backgroundThreads: number;
  /** Called on the main thread, soon, whenever a role has published responses. */
  readonly onResponses: () => void;
}

/**
 * Who runs the engine's roles and jobs: a pool of threads (threads/pool.ts), or the calling thread in turn for
 * simulations (simulation/inline-executor.ts).
 */
export interface Executor {
  /**
   * The time its roles live by: deadlines that go over to them are of its monotonic clock. Threads have the system's,
   * whatever clock the engine was given; on one thread it is that one.
   */
  readonly clock: EngineClock;
  startWriter(init: WriterInit): RoleHandle;
  startReader(init: ReaderInit): RoleHandle;
  runBackground(job: BackgroundJob): Promise<BackgroundResult>;
  /** Requests have been published: see that the roles get to them. */
  kick(): void;
  /** After the roles have ended. */
  close(): Promise<void>;
}

export type ExecutorFactory = (context: ExecutorContext) => Executor;

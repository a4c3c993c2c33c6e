import type { EngineClock } from '../clock.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type { SlotJobResult } from '../slots/slot-job.ts';
import type { EngineThreads } from './engine-threads.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  CheckpointJob,
  ReaderInit,
  SlotsJob,
  WorkerMessage,
  WriterInit,
} from './protocol/posted-messages.ts';

/** A role that is running: the writer or a reader. */
export interface RoleHandle {
  post(message: WorkerMessage): void;
  /** Resolves when the role has ended: undefined after a stop, the error when its thread died. */
  readonly exited: Promise<Error | undefined>;
}

/** What an executor gets from the engine that it is made for. */
export interface ExecutorContext {
  readonly control: SharedArrayBuffer;
  readonly fs: FileSystem;
  readonly clock: EngineClock;
  readonly threads: number;
  /** With `isSingleThread` 0: there is never another. */
  readonly backgroundThreads: number;
  /** One for all of them. */
  readonly isSingleThread: boolean;
  /** Called on the main thread soon after a role has published responses. */
  readonly onResponses: () => void;
}

/**
 * Who runs the engine's roles and jobs: a pool of threads (threads/pool.ts), or the calling thread in turn for
 * simulations (simulation/inline-executor.ts).
 */
export interface Executor {
  /**
   * The clock of the roles: deadlines that are sent to them are in its monotonic time. Roles in threads have the
   * system's clock, whatever clock the engine was given; roles on the calling thread have the engine's.
   */
  readonly clock: EngineClock;
  /** Undefined where it runs everything on the calling thread. */
  readonly threads?: EngineThreads;
  startWriter(init: WriterInit): RoleHandle;
  startReader(init: ReaderInit): RoleHandle;
  runBackground(job: BackgroundJob): Promise<BackgroundResult>;
  runSlots(job: SlotsJob): Promise<SlotJobResult>;
  runCheckpoint(job: CheckpointJob): Promise<void>;
  /** Requests have been published, and the roles must see them. */
  kick(): void;
  /** Call it when the roles have ended. */
  close(): Promise<void>;
}

/** Makes the executor of one engine. */
export type ExecutorFactory = (context: ExecutorContext) => Executor;

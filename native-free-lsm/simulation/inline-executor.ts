import type { EngineClock } from '../clock.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type { SlotJobResult } from '../slots/slot-job.ts';
import type { Executor, ExecutorContext, RoleHandle } from '../threads/executor.ts';
import { runBackgroundJob, runCheckpoint, runSlots } from '../threads/jobs.ts';
import { endSync, NumberedSyncs } from '../threads/main-synced-fs.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  CheckpointJob,
  ReaderInit,
  SlotsJob,
  SyncCall,
  SyncEnd,
  WorkerMessage,
  WriterInit,
} from '../threads/protocol/posted-messages.ts';
import { ReaderRole } from '../threads/reader.ts';
import { WriterRole } from '../threads/writer.ts';

interface InlineRole {
  step(): boolean;
  close(): void;
  /** When it has something to do although nothing arrives; infinite: never. */
  readonly dueMs: number;
  readonly finished: boolean;
}

/**
 * The whole engine on the calling thread, in turns of the given clock: the same roles, rings and jobs as with
 * threads, but deterministic, so that a test can stop, fail and repeat them at any step.
 */
export class InlineExecutor implements Executor {
  readonly clock: EngineClock;
  readonly #fs: FileSystem;
  readonly #onResponses: () => void;
  readonly #roles = new Map<InlineRole, (error: Error | undefined) => void>();
  #kicked = false;
  #timer: { cancel(): void } | undefined;
  #timerDueMs = 0;
  #closed = false;
  readonly #syncs = new NumberedSyncs((call) => {
    void this.syncOnMain(call).then((end) => {
      this.#syncs.ended(end);
      this.kick();
    });
  });

  constructor({ fs, clock, onResponses }: ExecutorContext) {
    this.#fs = fs;
    this.clock = clock;
    this.#onResponses = onResponses;
  }

  startWriter(init: WriterInit): RoleHandle {
    const { handle, inbox, onExit } = inlineHandle();
    const syncs = init.options.singleThread === true ? this.#syncs : null;
    this.#roles.set(new WriterRole(init, this.#fs, inbox, this.clock, syncs), onExit);
    return handle;
  }

  startReader(init: ReaderInit): RoleHandle {
    const { handle, inbox, onExit } = inlineHandle();
    this.#roles.set(new ReaderRole(init, this.#fs, inbox), onExit);
    return handle;
  }

  runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    return this.#later(() => runBackgroundJob(this.#fs, job));
  }

  runSlots(job: SlotsJob): Promise<SlotJobResult> {
    return this.#later(() => runSlots(this.#fs, job));
  }

  runCheckpoint(job: CheckpointJob): Promise<void> {
    return this.#later(() => runCheckpoint(this.#fs, job));
  }

  /** A sync that a writer with `singleThread` leaves to main: made in another turn, and told in one after it. */
  protected async syncOnMain(call: SyncCall): Promise<SyncEnd> {
    return await this.#later(() => endSync(this.#fs, call));
  }

  #later<Result>(run: () => Result | Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.clock.endOfTurn(() => {
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  kick(): void {
    if (this.#kicked || this.#closed) return;
    this.#kicked = true;
    this.clock.endOfTurn(() => this.#turn());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #turn(): void {
    this.#kicked = false;
    let worked = false;
    for (const [role, onExit] of this.#roles) {
      try {
        while (role.step()) worked = true;
        if (role.finished) this.#end(role, onExit, undefined);
      } catch (error) {
        this.#end(role, onExit, error instanceof Error ? error : new Error(String(error)));
      }
    }
    if (!this.#closed) this.#onResponses();
    // A role that had no room for an answer, or has just taken its stop message, needs another turn.
    if (worked) this.kick();
    else this.#kickWhenDue();
  }

  #end(role: InlineRole, onExit: (error: Error | undefined) => void, error: Error | undefined): void {
    this.#roles.delete(role);
    role.close();
    onExit(error);
  }

  #kickWhenDue(): void {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const role of this.#roles.keys()) dueMs = Math.min(dueMs, role.dueMs);
    if (dueMs === Number.POSITIVE_INFINITY || this.#closed) return;
    const atMs = this.clock.monotonicMs() + dueMs;
    if (this.#timer !== undefined && this.#timerDueMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = atMs;
    this.#timer = this.clock.after(dueMs, () => {
      this.#timer = undefined;
      this.kick();
    });
  }
}

function inlineHandle(): {
  handle: RoleHandle;
  inbox: () => WorkerMessage | undefined;
  onExit: (error: Error | undefined) => void;
} {
  const messages: WorkerMessage[] = [];
  let onExit: (error: Error | undefined) => void = () => undefined;
  const exited = new Promise<Error | undefined>((resolve) => {
    onExit = resolve;
  });
  return {
    handle: { post: (message) => messages.push(message), exited },
    inbox: () => messages.shift(),
    onExit,
  };
}

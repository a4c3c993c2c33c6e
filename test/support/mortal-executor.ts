import type { EngineClock } from '../../native-free-lsm/index.ts';
import { ControlWord } from '../../native-free-lsm/shared/control.ts';
import { type InlineExecutor, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import type { SlotJobResult } from '../../native-free-lsm/slots/slot-job.ts';
import type { Executor, ExecutorContext, RoleHandle } from '../../native-free-lsm/threads/executor.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  CheckpointJob,
  ReaderInit,
  SlotsJob,
  WorkerMessage,
  WriterInit,
} from '../../native-free-lsm/threads/protocol/posted-messages.ts';
import { EngineSimulation, SpoilingExecutor } from './engine-simulation.ts';

/**
 * Roles that can be held, and made to die when they next look at their messages; doing both makes no sense. The results
 * of background jobs can be held as well.
 */
export class MortalExecutor implements Executor {
  readonly #inner: InlineExecutor;
  readonly #words: Int32Array;
  readonly readers: RoleHandle[] = [];
  writer: RoleHandle | undefined;
  backgroundGate: Promise<void> = Promise.resolve();
  rolesHeld = false;
  /** While it is set, readers that are started are there only once `letReadersStart` is called. */
  readersHeld = false;
  #heldReaders: (() => void)[] = [];

  constructor(context: ExecutorContext) {
    this.#inner = new SpoilingExecutor(context);
    this.#words = new Int32Array(context.control);
  }

  get clock(): EngineClock {
    return this.#inner.clock;
  }

  startWriter(init: WriterInit): RoleHandle {
    this.writer = this.#inner.startWriter(init);
    return this.writer;
  }
  startReader(init: ReaderInit): RoleHandle {
    const handle = this.readersHeld ? this.#startLater(init) : this.#inner.startReader(init);
    this.readers.push(handle);
    return handle;
  }
  letReadersStart(): void {
    this.readersHeld = false;
    for (const start of this.#heldReaders.splice(0)) start();
    this.kick();
  }
  async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    const result = await this.#inner.runBackground(job);
    await this.backgroundGate;
    return result;
  }
  runSlots(job: SlotsJob): Promise<SlotJobResult> {
    return this.#inner.runSlots(job);
  }
  runCheckpoint(job: CheckpointJob): Promise<void> {
    return this.#inner.runCheckpoint(job);
  }
  kick(): void {
    if (!this.rolesHeld) this.#inner.kick();
  }
  close = (): Promise<void> => this.#inner.close();

  #startLater(init: ReaderInit): RoleHandle {
    const posted: WorkerMessage[] = [];
    const exited = Promise.withResolvers<Error | undefined>();
    let started: RoleHandle | undefined;
    this.#heldReaders.push(() => {
      started = this.#inner.startReader(init);
      for (const message of posted) started.post(message);
      started.exited.then(exited.resolve);
    });
    const post = (message: WorkerMessage): void => {
      if (started === undefined) posted.push(message);
      else started.post(message);
    };
    return { post, exited: exited.promise };
  }

  kill(role: RoleHandle): void {
    role.post({ type: 'arena', index: 0, arena: new SharedArrayBuffer(8) });
    Atomics.add(this.#words, ControlWord.superVersionEpoch, 1);
    this.kick();
  }
}

/**
 * A simulated engine whose roles can be held and killed.
 * @param onMade is given the executor of each opening before it starts anything
 */
export function mortal(
  options?: ConstructorParameters<typeof EngineSimulation>[0],
  onMade: (executor: MortalExecutor) => void = () => undefined,
) {
  let executor: MortalExecutor | undefined;
  const simulation = new EngineSimulation(options, new MemoryFileSystem(), (context) => {
    executor = new MortalExecutor(context);
    onMade(executor);
    return executor;
  });
  return { simulation, executor: () => executor as MortalExecutor };
}

/** Kills the newest reader `deaths` times in a row, with what it has in hand; roles are held before and after. */
export async function killHeldReaders(
  simulation: EngineSimulation,
  executor: MortalExecutor,
  deaths: number,
): Promise<void> {
  for (let death = 1; death <= deaths; death++) {
    executor.rolesHeld = false;
    executor.kill(executor.readers.at(-1) as RoleHandle);
    simulation.clock.flush();
    executor.rolesHeld = true;
    await simulation.pass(1);
  }
}

import { resolve } from 'node:path';
import { directoryFault, refuse } from '../arguments.ts';
import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import type { FollowedManifest } from '../follower/folder-follower.ts';
import { GENERATION_SLOTS } from '../shared/control.ts';
import { completeEnvironment, type Environment } from './environment.ts';
import { ReadableStore } from './readable-store.ts';
import { completeReaderOptions, type ReaderOptions } from './reader-options.ts';
import type { StoreSnapshot } from './store-snapshot.ts';
import { type FollowedParts, openFollowed } from './wire-followed.ts';
import { CLOSED } from './wire-store.ts';

/** Main turns to something else when it has read for so long. */
const SLICE_MS = 4;
/** One place stays free, so that a new memtable never takes that of one which somebody may be reading. */
const MAX_GENERATIONS = GENERATION_SLOTS - 1;

/**
 * The reads of a store that another process writes, or another engine of this one. It shows one moment of it until
 * `refresh` takes a later one, and never anything in between.
 */
export class FollowedStore extends ReadableStore {
  /** What ends of lives are compared with. */
  readonly expiryNowMs: () => number;
  readonly #parts: FollowedParts;
  readonly #clock: EngineClock;
  /** The refresh that is under way, and the one that follows it. */
  #running: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: FollowedParts, { clock, expiryNowMs }: Environment) {
    super(parts);
    this.#parts = parts;
    this.#clock = clock;
    this.expiryNowMs = expiryNowMs;
  }

  /**
   * Opens what is there. It takes no lock, and writes nothing.
   * @throws LsmError NOT_FOUND, FOREIGN_DIRECTORY, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR, OVERLOADED, CHANGING,
   *   INVALID_ARGUMENT
   */
  static async open(
    directory: string,
    options: Partial<ReaderOptions> = {},
    environment: Partial<Environment> = {},
  ): Promise<FollowedStore> {
    refuse(directoryFault('directory', directory));
    const complete = completeReaderOptions(options);
    const surroundings = completeEnvironment(environment);
    const { clock } = surroundings;
    // The process may change its working directory later.
    const parts = await openFollowed(resolve(directory), complete, surroundings, (steps) =>
      inSlices(steps, clock, () => false),
    );
    return new FollowedStore(parts, surroundings);
  }

  /**
   * Takes what the writer has done up to now. Reads go on meanwhile, and show the moment before until this is there;
   * when it fails they go on to.
   * @returns whether there was anything new
   * @throws LsmError CHANGING, OVERLOADED: try again; REPLACED: open the folder again; CORRUPTION, UNSUPPORTED_FORMAT,
   *   IO_ERROR, CLOSED
   */
  refresh(): Promise<boolean> {
    if (this.#closing !== undefined) return Promise.reject(CLOSED);
    if (this.#running === undefined) return this.#run();
    // The one that is under way may have read already what this one is to see.
    const follow = (): Promise<boolean> => {
      this.#next = undefined;
      return this.refresh();
    };
    this.#next ??= this.#running.then(follow, follow);
    return this.#next;
  }

  override snapshot(): StoreSnapshot {
    if (this.#closing !== undefined) throw CLOSED;
    return super.snapshot();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #run(): Promise<boolean> {
    this.#running = this.#refresh().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #refresh(): Promise<boolean> {
    const { follower } = this.#parts;
    const isClosing = (): boolean => this.#closing !== undefined;
    return this.#show(await inSlices(follower.follow(), this.#clock, isClosing));
  }

  /** Shows what was read, all of it in this turn. */
  #show(manifest: FollowedManifest): boolean {
    const { arenas, chain, superVersions, tables } = this.#parts;
    const before = this.#parts.reads.currentPoint();
    this.#makeRoom(chain.memtables.filter(({ generation }) => generation === 0).length);
    chain.publish();
    for (const memtable of chain.memtables) {
      if (memtable.generation !== 0) continue;
      memtable.generation = arenas.activeGeneration + 1;
      arenas.succeed(memtable.generation, memtable.memory, (index, memory) =>
        superVersions.announceArena(index, memory),
      );
    }
    const [{ generation: oldest }] = chain.memtables;
    if (manifest.version !== superVersions.version || oldest !== superVersions.current.oldestGeneration)
      superVersions.install(manifest.version, oldest, tables.takeNew(manifest.version));
    const { generation, limit, superVersionId } = this.#parts.reads.currentPoint();
    return (
      generation !== before.generation || limit !== before.limit || superVersionId !== before.superVersionId
    );
  }

  /**
   * Generations have a bounded number of places. Snapshots that are in the way of new ones are given up.
   * @throws LsmError OVERLOADED
   */
  #makeRoom(begun: number): void {
    const { arenas, chain, generations, reads, snapshots, superVersions } = this.#parts;
    // The chain may be empty, and then it begins one more.
    const newest = arenas.activeGeneration + begun + (chain.memtables.length === 0 ? 1 : 0);
    for (let point = snapshots.oldest(); point !== undefined; point = snapshots.oldest()) {
      if (newest - point.superVersion.tables.oldestGeneration < MAX_GENERATIONS) break;
      snapshots.giveUp(point, 'newer logs of the writer needed its place in memory: take a new one');
    }
    superVersions.collect();
    if (newest - generations.oldest < MAX_GENERATIONS || reads.inFlight === 0) return;
    throw new LsmError('OVERLOADED', 'reads of what was shown long ago are still under way: try again');
  }

  async #close(): Promise<void> {
    await this.#running?.catch(() => undefined);
    this.#parts.reads.close(CLOSED);
    this.#parts.snapshots.releaseAll();
    await this.#parts.opened[Symbol.asyncDispose]();
  }
}

/** Does all steps, and lets the event loop turn between them when they take long. */
async function inSlices<Result>(
  steps: Generator<void, Result, void>,
  clock: EngineClock,
  isClosing: () => boolean,
): Promise<Result> {
  try {
    let beganMs = clock.monotonicMs();
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value;
      if (clock.monotonicMs() - beganMs < SLICE_MS) continue;
      await new Promise<void>((resolve) => clock.endOfTurn(resolve));
      if (isClosing()) throw CLOSED;
      beganMs = clock.monotonicMs();
    }
  } finally {
    // Closes the file that is being read, if it does not end by itself.
    steps.return(undefined as Result);
  }
}

/**
 * The whole engine on one thread, over a file system in memory and a clock that stands still until the test moves it.
 * The same calls in the same order give the same run, so a test can stop or fail it at any step.
 */
import assert from 'node:assert/strict';
import {
  Engine,
  type EngineClock,
  type EngineOptions,
  EngineReader,
  type Environment,
  type ExecutorContext,
  type ExecutorFactory,
  type HashSeed,
  type ReaderOptions,
  RecordStore,
} from '../../native-free-lsm/index.ts';
import { InlineExecutor, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import type { SlotJobResult } from '../../native-free-lsm/slots/slot-job.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  SlotsJob,
  SyncCall,
  SyncEnd,
} from '../../native-free-lsm/threads/protocol/posted-messages.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';
import { HASH_SEED } from './hash-flood.ts';

/** So small that a few hundred writes go through flushes and several levels. */
export const TINY_OPTIONS: Partial<EngineOptions> = {
  maxRecordBytes: 16 * 1024,
  memtableBytes: 64 * 1024,
  blockCacheBytes: 64 * 1024,
  blockSizeBytes: 256,
  bottomBlockSizeBytes: 512,
  // Tables are as large as what is in them, so that a test can have as many as it wants.
  compression: 'none',
  fingerprintSeed: { low: 0, high: 0 },
  bottomCompression: 'none',
  restartInterval: 4,
  targetFileBytes: 8 * 1024,
  l0CompactionTables: 2,
  baseLevelBytes: 16 * 1024,
  levelMultiplier: 2,
  maxCompactionBytes: 64 * 1024,
  maxManifestBytes: 1024,
  // As in a replicated node: deletions are kept, so that an older version that arrives late stays hidden.
  dropTombstonesBelow: 0,
};

/**
 * Flushes, compactions and looks at slots begin this much later: several memtables wait, while writes and reads go on. With 0 each is
 * done in the turn that asks for it.
 */
export function backgroundAfter(delayMs: number): ExecutorFactory {
  if (delayMs === 0) return (context) => new SpoilingExecutor(context);
  return (context) => new LateBackground(context, delayMs);
}

/** Compactions alone begin this much later. */
export function compactionsAfter(delayMs: number): ExecutorFactory {
  return (context) => new LateBackground(context, delayMs, 'merge');
}

/** Overwrites the memory that a job is lent, first of all: whoever still reads a table that lay there reads nonsense. */
export class SpoilingExecutor extends InlineExecutor {
  override runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    for (const lent of job.memory) new Uint8Array(lent).fill(0xff);
    return super.runBackground(job);
  }
}

class LateBackground extends SpoilingExecutor {
  readonly #clock: EngineClock;
  readonly #delayMs: number;
  /** The only kind of job that is late; undefined: all are. */
  readonly #only: BackgroundJob['job']['type'] | undefined;

  constructor(context: ExecutorContext, delayMs: number, only?: BackgroundJob['job']['type']) {
    super(context);
    this.#clock = context.clock;
    this.#delayMs = delayMs;
    this.#only = only;
  }

  override async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    if (this.#only === undefined || this.#only === job.job.type) await this.#delay();
    return super.runBackground(job);
  }

  override async syncOnMain(call: SyncCall): Promise<SyncEnd> {
    await this.#delay();
    return super.syncOnMain(call);
  }

  override async runSlots(job: SlotsJob): Promise<SlotJobResult> {
    if (this.#only === undefined) await this.#delay();
    return super.runSlots(job);
  }

  #delay(): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(this.#delayMs, resolve));
  }
}

/** Flushes and compactions never end, so every start leaves one more log behind. */
export class NoBackground extends InlineExecutor {
  override runBackground(): Promise<BackgroundResult> {
    return new Promise(() => undefined);
  }
}

const DIRECTORY = '/db';
/** An engine that has not answered after this many turns of 1 ms never will: its longest wait is 10 s. */
const MAX_TURNS = 60_000;
const MAX_PASS_TURNS = 400;
/** A chain of settled promises is never longer than this between two turns. */
const MICROTASKS_PER_TURN = 24;

export class EngineSimulation {
  readonly clock = new FakeClock();
  fs: MemoryFileSystem;
  readonly options: Partial<EngineOptions>;
  drawHashSeed: () => HashSeed = () => HASH_SEED;
  /** So little that an opening loads its first table, and leaves the others for later. */
  openingBytes = 1;
  /** What the engine has reported to its operator. */
  readonly reports: string[] = [];
  readonly #executor: ExecutorFactory;

  constructor(
    options: Partial<EngineOptions> = TINY_OPTIONS,
    fs = new MemoryFileSystem(),
    executor = backgroundAfter(0),
  ) {
    this.options = options;
    this.fs = fs;
    this.#executor = executor;
  }

  openStore(options: Partial<EngineOptions> = {}): RecordStore {
    return RecordStore.open(DIRECTORY, { ...this.options, ...options }, this.#environment());
  }

  openEngine(options: Partial<EngineOptions> = {}, environment: Partial<Environment> = {}): Promise<Engine> {
    const surroundings = { ...this.#environment(), ...environment };
    return Engine.open(DIRECTORY, { ...this.options, ...options }, surroundings);
  }

  /** A reader beside the engine. */
  openReader(options: Partial<ReaderOptions>): Promise<EngineReader> {
    return EngineReader.open(DIRECTORY, options, this.#environment());
  }

  /** An engine in another directory of the same disk. */
  openEngineAt(directory: string): Promise<Engine> {
    return Engine.open(directory, this.options, this.#environment());
  }

  /** Moves the clock until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    for (let turn = 0; ; turn++) {
      for (let i = 0; i < MICROTASKS_PER_TURN && !settled; i++) await undefined;
      if (settled) return promise;
      assert.ok(turn < MAX_TURNS, 'the engine does not answer');
      this.clock.advance(1);
    }
  }

  /** Lets `ms` pass, with everything that happens meanwhile. */
  async pass(ms: number): Promise<void> {
    // In a bounded number of turns: a long time is waited only for timers, which keep their order.
    const turnMs = Math.max(1, ms / MAX_PASS_TURNS);
    for (let passedMs = 0; passedMs < ms; passedMs += turnMs) {
      this.clock.advance(turnMs);
      for (let i = 0; i < MICROTASKS_PER_TURN; i++) await undefined;
    }
  }

  /** What the machine finds when it starts again after a stop at this moment. */
  restartWith(fs: MemoryFileSystem): EngineSimulation {
    return new EngineSimulation(this.options, fs, this.#executor);
  }

  #environment() {
    return {
      fs: this.fs,
      clock: this.clock,
      executor: this.#executor,
      report: (message: string) => void this.reports.push(message),
      drawHashSeed: this.drawHashSeed,
      openingBytes: this.openingBytes,
    };
  }
}

/**
 * Profiles the node that it runs in, its main thread and the threads of its engine, when somebody asks for it: one
 * profile at a time, each for a bounded time and of bounded size, and none when the node stops.
 *
 * The samplers of a thread must be stopped while the thread lives, and they are asked to by its own event loop or at the
 * next function that it calls. Threads that wait for work do neither: they are woken until all have done as asked.
 */
import type { SiteWaits } from '../../../native-free-lsm/index.ts';
import type { Clock } from '../../clock.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import {
  type NodeProfile,
  PROFILE_VERSION,
  type ProfiledThread,
  type ProfileRequest,
} from '../../node-profile.ts';
import type { StorageEngine } from '../../replica/storage-engine.ts';
import type { ProfileService, RunningProfile } from '../../services.ts';
import { ALL_WAITS } from '../../wait-places.ts';
import { osThreads, processCounters } from './process-counters.ts';
import {
  mainThread,
  NOTHING_USED,
  type Profilable,
  poolThread,
  type Samples,
  samplersFault,
  ThreadProfile,
} from './thread-profile.ts';

const MAIN = 'main';
/** How often threads that were asked for something are woken. */
const WAKE_MS = 10;
/** A thread that has not done as asked by then is left out. */
const PATIENCE_MS = 5_000;
/** How often it looks for threads that have come, and at the size of what it holds. */
const LOOK_MS = 100;
/** A sampled allocation is held until the profile ends. */
const MAX_HELD_ALLOCATIONS = 2_000_000;

type Ending = NodeProfile['endedBy'] | 'cancelled';

interface NodeProfilerParts {
  readonly nodeId: string;
  readonly engine: Pick<StorageEngine, 'threads' | 'wakeThreads'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class NodeProfiler implements ProfileService {
  readonly #parts: NodeProfilerParts;
  #running: Run | null = null;
  #isClosed = false;

  constructor(parts: NodeProfilerParts) {
    this.#parts = parts;
  }

  async begin(request: ProfileRequest): Promise<RunningProfile> {
    if (this.#isClosed) throw new QuorateError('DRAINING', 'the node is stopping');
    const fault = samplersFault();
    if (fault !== null) throw new QuorateError('INTERNAL', fault);
    if (this.#running !== null) {
      throw new QuorateError(
        'CONFLICT',
        'the node is being profiled already, or its profile is being sent: wait for that, or end it with DELETE',
      );
    }
    const run = new Run(this.#parts, request, () => {
      this.#running = null;
    });
    this.#running = run;
    try {
      await run.begun;
    } catch (error) {
      run[Symbol.dispose]();
      await run.over;
      throw error;
    }
    return run;
  }

  end(): boolean {
    if (this.#running === null || this.#running.isOver) return false;
    this.#running.end();
    return true;
  }

  /** Resolves when nothing is being profiled, and nothing will be. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#running?.cancel();
    await this.#running?.over;
  }
}

class Run implements RunningProfile {
  readonly begun: Promise<void>;
  readonly document: Promise<readonly string[] | null>;
  /** Resolves when all samplers are stopped; it does not reject. */
  readonly over: Promise<void>;
  readonly #parts: NodeProfilerParts;
  readonly #request: ProfileRequest;
  readonly #ending = Promise.withResolvers<Ending>();
  readonly #onReleased: () => void;
  readonly #threads = new Map<string, ThreadProfile>();
  /** Names of those that are left out, or under way to being sampled. */
  readonly #met = new Set<string>();
  #recordsWaits = false;
  #isCancelled = false;
  #isOver = false;
  #isDisposed = false;
  #isLooking = false;
  /** Resolves when those threads that were found last are met. */
  #meeting: Promise<void> = Promise.resolve();

  /** @param onReleased called when all samplers are stopped, and nobody needs the document */
  constructor(parts: NodeProfilerParts, request: ProfileRequest, onReleased: () => void) {
    this.#parts = parts;
    this.#request = request;
    this.#onReleased = onReleased;
    this.begun = this.#begin();
    this.document = this.begun.then(() => this.#run()).finally(() => this.#stop());
    const settle = (): void => {
      this.#isOver = true;
      if (this.#isDisposed) this.#onReleased();
    };
    this.over = this.document.then(settle, settle);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#ending.resolve('request');
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#ending.resolve('cancelled');
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.cancel();
    if (this.#isOver) this.#onReleased();
  }

  async #begin(): Promise<void> {
    const { clock, engine } = this.#parts;
    await this.#adopt(this.#request, false);
    if (!this.#threads.has(MAIN))
      throw new QuorateError('INTERNAL', 'the samplers of the main thread do not start: the log says why');
    if (!this.#request.kinds.includes('waits')) return;
    this.#recordsWaits = true;
    engine.threads?.recordWaits();
    for (const place of ALL_WAITS) place.record();
    // A wait that is under way is not recorded. A thread that was about to wait may have missed the first call.
    engine.wakeThreads?.();
    clock.after(WAKE_MS, () => engine.wakeThreads?.());
  }

  async #run(): Promise<readonly string[] | null> {
    const { clock } = this.#parts;
    const beganMs = clock.monotonicMs();
    const before = processCounters();
    const time = clock.after(this.#request.durationMs, () => this.#ending.resolve('time'));
    const look = clock.every(LOOK_MS, () => this.#lookAgain());
    let endedBy: Ending;
    try {
      endedBy = await this.#ending.promise;
    } finally {
      time.cancel();
      look.cancel();
    }
    // A thread that is just being met must be among those that are stopped.
    await this.#meeting;
    if (endedBy === 'cancelled' || this.#isCancelled) return null;
    // Of one that came last there are no samples, but what it used.
    await this.#adopt({ ...this.#request, kinds: [] }, true);
    if (this.#isCancelled) return null;
    const elapsedMs = clock.monotonicMs() - beganMs;
    const now = processCounters();
    const waits = this.#takeWaits();
    const used = await this.#countersOfAll();
    const samples = await this.#stopThreads();
    const head: Omit<NodeProfile, 'threads'> = {
      version: PROFILE_VERSION,
      node: this.#parts.nodeId,
      endedBy,
      elapsedMs,
      cpu: {
        userMs: now.cpu.userMs - before.cpu.userMs,
        systemMs: now.cpu.systemMs - before.cpu.systemMs,
      },
      voluntarySwitches: now.voluntarySwitches - before.voluntarySwitches,
      involuntarySwitches: now.involuntarySwitches - before.involuntarySwitches,
      osThreads: osThreads(),
      residentBytes: process.memoryUsage.rss(),
    };
    const threads = [...samples.keys()].map((name) => {
      const { idleMs, ...counters } = used.get(name) ?? NOTHING_USED;
      const idle = idleMs > 0 ? [{ ...IDLE_LOOP, totalMs: idleMs }] : [];
      return { name, ...counters, waits: waits === null ? [] : [...(waits.get(name) ?? []), ...idle] };
    });
    return documentOf(head, threads, samples);
  }

  /** Whatever has failed: nothing is recorded or sampled afterwards. */
  async #stop(): Promise<void> {
    try {
      this.#takeWaits();
    } finally {
      await this.#stopThreads();
    }
  }

  /** Not while the last look is under way: a thread that answers late must not have looks queue up behind it. */
  #lookAgain(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#look()
      .catch(this.#ending.reject)
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #look(): Promise<void> {
    const { heapIntervalBytes, kinds } = this.#request;
    this.#meeting = this.#adopt(this.#request, true);
    await this.#meeting;
    if (!kinds.includes('heap')) return;
    let allocatedBytes = 0;
    for (const { allocatedBytes: bytes } of (await this.#countersOfAll()).values()) allocatedBytes += bytes;
    if (allocatedBytes / heapIntervalBytes > MAX_HELD_ALLOCATIONS) this.#ending.resolve('size');
  }

  /** Begins to sample the threads that it has not met before. */
  async #adopt(request: ProfileRequest, areNew: boolean): Promise<void> {
    const pool = this.#parts.engine.threads?.list() ?? [];
    const threads: (readonly [string, Profilable])[] = [
      [MAIN, mainThread],
      ...pool.map(({ handle, name }) => [name, poolThread(handle)] as const),
    ];
    const unmet = threads.filter(([name]) => !this.#met.has(name));
    // Those that wait are woken only if something is asked of them.
    if (unmet.length === 0) return;
    const beginnings = unmet.map(async ([name, thread]) => {
      this.#met.add(name);
      const beginning = ThreadProfile.begin(name, thread, request, areNew);
      const profile = await this.#patiently(name, beginning);
      if (profile !== undefined) this.#threads.set(name, profile);
      // What begins too late is stopped at once.
      else beginning.then((late) => late.stop()).catch(() => undefined);
    });
    await this.#awake(Promise.all(beginnings));
  }

  async #countersOfAll() {
    const used = new Map<string, Awaited<ReturnType<ThreadProfile['used']>>>();
    const asked = [...this.#threads].map(async ([name, thread]) => {
      const counters = await this.#patiently(name, thread.used());
      if (counters !== undefined) used.set(name, counters);
    });
    await this.#awake(Promise.all(asked));
    return used;
  }

  /** Null where none are recorded, or they were taken before. */
  #takeWaits(): ReadonlyMap<string, readonly SiteWaits[]> | null {
    if (!this.#recordsWaits) return null;
    this.#recordsWaits = false;
    return takeWaits(this.#parts);
  }

  /** Each is stopped once. */
  async #stopThreads(): Promise<Map<string, Samples>> {
    const samples = new Map<string, Samples>();
    const threads = [...this.#threads];
    this.#threads.clear();
    if (threads.length === 0) return samples;
    const stops = threads.map(async ([name, thread]) => {
      samples.set(name, (await this.#patiently(name, thread.stop())) ?? NO_SAMPLES);
    });
    await this.#awake(Promise.all(stops));
    return samples;
  }

  /** Undefined where the thread has died, or does not do as it was asked. */
  async #patiently<T>(name: string, asked: Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.#parts;
    const impatience = Promise.withResolvers<never>();
    const timer = clock.after(PATIENCE_MS, () =>
      impatience.reject(new Error(`silent for ${PATIENCE_MS} ms`)),
    );
    try {
      return await Promise.race([asked, impatience.promise]);
    } catch (error) {
      log.warn(`The thread ${name} is missing in the profile: ${errorMessage(error)}`);
      return undefined;
    } finally {
      timer.cancel();
    }
  }

  /** Wakes threads that wait for work until all have done as they were asked. */
  async #awake<T>(asked: Promise<T>): Promise<T> {
    const { clock, engine } = this.#parts;
    engine.wakeThreads?.();
    const timer = clock.every(WAKE_MS, () => engine.wakeThreads?.());
    try {
      return await asked;
    } finally {
      timer.cancel();
    }
  }
}

const NO_SAMPLES: Samples = { cpuJson: '', heapJson: '' };
/** How often a loop slept, and how long each time, nobody counts. */
const IDLE_LOOP = { path: ['event loop', 'idle'], isIdle: true, count: 0, buckets: [] };

/** By thread. */
function takeWaits({ engine }: NodeProfilerParts): ReadonlyMap<string, readonly SiteWaits[]> {
  // First those of this thread, which are taken whatever the engine says.
  const ofMain = ALL_WAITS.map((place) => place.take()).filter(({ count }) => count > 0);
  const waits = new Map<string, readonly SiteWaits[]>([[MAIN, ofMain]]);
  for (const { sites, thread } of engine.threads?.takeWaits() ?? []) waits.set(thread, sites);
  return waits;
}

/** The samplers' own JSON goes into it as it is. */
function documentOf(
  head: Omit<NodeProfile, 'threads'>,
  threads: readonly Omit<ProfiledThread, 'cpuProfile' | 'heapProfile'>[],
  samples: ReadonlyMap<string, Samples>,
): readonly string[] {
  const pieces = [JSON.stringify(head).slice(0, -1), ',"threads":['];
  for (const [index, thread] of threads.entries()) {
    const { cpuJson, heapJson } = samples.get(thread.name) ?? NO_SAMPLES;
    pieces.push(index === 0 ? '' : ',', JSON.stringify(thread).slice(0, -1));
    pieces.push(',"cpuProfile":', cpuJson === '' ? 'null' : cpuJson);
    pieces.push(',"heapProfile":', heapJson === '' ? 'null' : heapJson, '}');
  }
  pieces.push(']}\n');
  return pieces;
}

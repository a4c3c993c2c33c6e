/**
 * Profiles the node that it runs in, its main thread and the threads of its engine, when somebody asks for it: one
 * profile at a time, each for a bounded time and of bounded size, and none when the node stops.
 *
 * The samplers of a thread must be stopped while the thread lives, and they are asked to by its own event loop or at the
 * next function that it calls. Threads that wait for work do neither: they are woken until all have done as asked.
 */
import type { Clock, TimerHandle } from '../../clock.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import {
  type NodeProfile,
  PROFILE_VERSION,
  type ProfiledThread,
  type ProfiledWaits,
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
    if (this.#running !== null) {
      throw new QuorateError(
        'CONFLICT',
        'the node is being profiled already: wait for that, or end it with DELETE',
      );
    }
    const run = new Run(this.#parts, request, () => {
      this.#running = null;
    });
    this.#running = run;
    await run.begun;
    return run;
  }

  end(): boolean {
    this.#running?.end();
    return this.#running !== null;
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
  readonly #threads = new Map<string, ThreadProfile>();
  /** Names of those that are left out, or under way to being sampled. */
  readonly #met = new Set<string>();
  #looking: Promise<void> = Promise.resolve();

  /** @param onOver called when all samplers are stopped */
  constructor(parts: NodeProfilerParts, request: ProfileRequest, onOver: () => void) {
    this.#parts = parts;
    this.#request = request;
    this.begun = this.#begin();
    this.document = this.begun.then(() => this.#run()).finally(onOver);
    this.over = this.document.then(
      () => undefined,
      () => undefined,
    );
  }

  end(): void {
    this.#ending.resolve('request');
  }

  cancel(): void {
    this.#ending.resolve('cancelled');
  }

  async #begin(): Promise<void> {
    const { engine } = this.#parts;
    await this.#adopt(this.#request, false);
    if (!this.#threads.has(MAIN)) {
      await this.#stopAll();
      throw new QuorateError('INTERNAL', 'the samplers of the main thread do not start: the log says why');
    }
    if (this.#request.kinds.includes('waits')) {
      engine.threads?.recordWaits();
      for (const place of ALL_WAITS) place.record();
      // A wait that is under way is not recorded.
      engine.wakeThreads?.();
    }
  }

  async #run(): Promise<readonly string[] | null> {
    const { clock, engine } = this.#parts;
    const beganMs = clock.monotonicMs();
    const before = processCounters();
    const time = clock.after(this.#request.durationMs, () => this.#ending.resolve('time'));
    const look: TimerHandle = clock.every(LOOK_MS, () => {
      this.#looking = this.#looking.then(() => this.#look());
    });
    try {
      const endedBy = await this.#ending.promise;
      time.cancel();
      look.cancel();
      // A thread that is just being met must be among those that are stopped.
      await this.#looking;
      // Of one that came last there are no samples, but what it used.
      await this.#adopt({ ...this.#request, kinds: [] }, true);
      const elapsedMs = clock.monotonicMs() - beganMs;
      const now = processCounters();
      const waits = this.#request.kinds.includes('waits') ? takeWaits(engine) : null;
      const used = await this.#countersOfAll();
      const samples = await this.#stopAll();
      if (endedBy === 'cancelled') return null;
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
    } finally {
      time.cancel();
      look.cancel();
    }
  }

  async #look(): Promise<void> {
    const { heapIntervalBytes, kinds } = this.#request;
    await this.#adopt(this.#request, true);
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

  async #stopAll(): Promise<Map<string, Samples>> {
    const samples = new Map<string, Samples>();
    const stops = [...this.#threads].map(async ([name, thread]) => {
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
function takeWaits({ threads }: NodeProfilerParts['engine']): ReadonlyMap<string, readonly ProfiledWaits[]> {
  const waits = new Map<string, readonly ProfiledWaits[]>();
  for (const { sites, thread } of threads?.takeWaits() ?? []) waits.set(thread, sites);
  waits.set(
    MAIN,
    ALL_WAITS.map((place) => place.take()).filter(({ count }) => count > 0),
  );
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

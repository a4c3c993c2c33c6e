/** The profile of one thread: how it is begun and ended on the main thread, and on a pool thread from outside. */
import v8 from 'node:v8';
import type { ThreadHandle } from '../../../native-free-lsm/index.ts';
import { loopIdleMs } from '../../clock.ts';
import type { CpuMs, ProfileRequest } from '../../node-profile.ts';
import { sampleByInspector } from './inspector-sampler.ts';

/** Room for more samples than are due: a sampler that was late takes some at once. */
const SPARE_SAMPLES = 1.25;
/** Of a thread. Beyond it the oldest are forgotten. */
const MAX_SAMPLES = 1_000_000;
const MAX_STACK_DEPTH = 64;

/** What the samplers gave, as the JSON that they give it in. */
export interface Samples {
  /** Empty where it was not asked for. */
  readonly cpuJson: string;
  readonly heapJson: string;
}

interface Counters {
  readonly cpu: CpuMs;
  readonly allocatedBytes: number;
  /** For how long its event loop has slept; 0 where it never returns to it. */
  readonly idleMs: number;
}

export const NOTHING_USED: Counters = { cpu: { userMs: 0, systemMs: 0 }, allocatedBytes: 0, idleMs: 0 };

interface Sampler {
  stop(): string | Promise<string>;
}

/** The calls that a thread's samplers and counters are reached by; those of the main thread answer at once. */
export interface Profilable {
  startCpuProfile(options: v8.CPUProfileOptions): Sampler | Promise<Sampler>;
  startHeapProfile(options: v8.HeapProfileOptions): Sampler | Promise<Sampler>;
  counters(): Promise<Counters>;
}

/** Why this Node cannot profile its threads; null: it can. */
export function samplersFault(): string | null {
  if (typeof v8.startCpuProfile === 'function') return null;
  return `Node ${process.version} has no samplers for its threads: run the node on Node 24.12 or later`;
}

export const mainThread: Profilable = {
  startCpuProfile: (options) => v8.startCpuProfile(options),
  startHeapProfile: (options) => v8.startHeapProfile?.(options) ?? sampleByInspector(options),
  counters: async () => countersOf(process.threadCpuUsage(), v8.getHeapStatistics(), loopIdleMs()),
};

export function poolThread(handle: ThreadHandle): Profilable {
  return {
    startCpuProfile: (options) => handle.startCpuProfile(options),
    startHeapProfile: (options) => handle.startHeapProfile(options),
    counters: async () => {
      const [cpu, heap] = await Promise.all([handle.cpuUsage(), handle.getHeapStatistics()]);
      return countersOf(cpu, heap, handle.performance.eventLoopUtilization().idle);
    },
  };
}

/** What runs on a thread until it is stopped. */
export class ThreadProfile {
  readonly name: string;
  readonly #thread: Profilable;
  readonly #before: Counters;
  readonly #cpu: Sampler | null;
  readonly #heap: Sampler | null;

  private constructor(
    name: string,
    thread: Profilable,
    before: Counters,
    cpu: Sampler | null,
    heap: Sampler | null,
  ) {
    this.name = name;
    this.#thread = thread;
    this.#before = before;
    this.#cpu = cpu;
    this.#heap = heap;
  }

  /** @param isNew the thread has begun since the profile has: all that it used counts */
  static async begin(
    name: string,
    thread: Profilable,
    request: ProfileRequest,
    isNew: boolean,
  ): Promise<ThreadProfile> {
    const { kinds } = request;
    const [cpu, heap] = await Promise.allSettled([
      kinds.includes('cpu') ? startCpu(thread, request) : null,
      kinds.includes('heap') ? startHeap(thread, request) : null,
    ]);
    try {
      const samplers = { cpu: valueOrThrow(cpu), heap: valueOrThrow(heap) };
      const before = isNew ? NOTHING_USED : await thread.counters();
      return new ThreadProfile(name, thread, before, samplers.cpu, samplers.heap);
    } catch (error) {
      // Nobody else knows of what has started.
      const started = [cpu, heap].flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
      await Promise.allSettled(started.map(async (sampler) => sampler?.stop()));
      throw error;
    }
  }

  /** @returns what was used since it began */
  async used(): Promise<Counters> {
    const now = await this.#thread.counters();
    const { allocatedBytes, cpu, idleMs } = this.#before;
    return {
      cpu: { userMs: now.cpu.userMs - cpu.userMs, systemMs: now.cpu.systemMs - cpu.systemMs },
      allocatedBytes: now.allocatedBytes - allocatedBytes,
      idleMs: now.idleMs - idleMs,
    };
  }

  async stop(): Promise<Samples> {
    const [cpuJson, heapJson] = await Promise.all([this.#cpu?.stop(), this.#heap?.stop()]);
    return { cpuJson: cpuJson ?? '', heapJson: heapJson ?? '' };
  }
}

/** The calls of the main thread throw at once: as of all threads, that is to be a promise that rejects. */
async function startCpu(thread: Profilable, { cpuIntervalMs, durationMs }: ProfileRequest): Promise<Sampler> {
  const samples = Math.ceil((durationMs * SPARE_SAMPLES) / cpuIntervalMs) + 1000;
  return thread.startCpuProfile({
    sampleInterval: cpuIntervalMs,
    maxBufferSize: Math.min(samples, MAX_SAMPLES),
  });
}

async function startHeap(thread: Profilable, { heapIntervalBytes }: ProfileRequest): Promise<Sampler> {
  return thread.startHeapProfile({
    sampleInterval: heapIntervalBytes,
    stackDepth: MAX_STACK_DEPTH,
    // What was allocated counts, whether or not it still lives.
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
}

function valueOrThrow<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

function countersOf(
  cpu: { readonly user: number; readonly system: number },
  heap: { readonly total_allocated_bytes?: number },
  idleMs: number,
): Counters {
  return {
    cpu: { userMs: cpu.user / 1000, systemMs: cpu.system / 1000 },
    allocatedBytes: heap.total_allocated_bytes ?? 0,
    idleMs,
  };
}

/**
 * What `profile` writes, and what its views are made of:
 *
 *   profile.json                   a ProfileSummary, with the waits of all threads
 *   <node>/<thread>.cpuprofile     samples of the thread's stack, at equal intervals of time, waits included
 *   <node>/<thread>.heapprofile    sampled allocations, whether or not they still lived at the end
 *   <node>/waits.speedscope.json   the waits of the node's threads, to be looked at
 *   cpu.html heap.html waits.html  flame graphs of all nodes and threads
 *
 * Threads are named by their role: `main`, `writer`, `reader-1`, `background-1`. Each kind was recorded in a run of its
 * own, so its files tell of one run. Pure.
 */
import type { SiteWaits } from '../../../native-free-lsm/index.ts';
import type { CpuMs, ProfileKind } from '../../node-profile.ts';

/** Raised when an older folder would be misread. */
export const PROFILE_FOLDER_VERSION = 1;
export const SUMMARY_FILE = 'profile.json';

/** A function, as V8's profilers name it. Lines and columns count from 0; -1 and '' for what has no source. */
export interface CallFrame {
  readonly functionName: string;
  readonly scriptId: string | number;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/** As in `Profiler.Profile` of Chrome's protocol. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly hitCount?: number;
    /** Ids. */
    readonly children?: readonly number[];
    readonly parent?: number;
  }[];
  /** Microseconds of a monotonic clock. */
  readonly startTime: number;
  readonly endTime: number;
  /** Ids of nodes, one for each sample. */
  readonly samples: readonly number[];
  /** Microseconds: how long before each sample the one before it was taken. */
  readonly timeDeltas: readonly number[];
}

export interface HeapNode {
  readonly callFrame: CallFrame;
  readonly selfSize: number;
  readonly id: number;
  readonly children: readonly HeapNode[];
}

/** As in `HeapProfiler.SamplingHeapProfile` of Chrome's protocol. */
export interface HeapProfile {
  readonly head: HeapNode;
  readonly samples: readonly { readonly size: number; readonly nodeId: number; readonly ordinal: number }[];
}

export interface ThreadFiles {
  readonly name: string;
  /** Null where the kind was not recorded, or the thread was not there. */
  readonly cpu: CpuProfile | null;
  /** What the system counted while `cpu` was sampled; null where there are no samples. */
  readonly sampledCpu: CpuMs | null;
  readonly heap: HeapProfile | null;
  readonly waits: readonly SiteWaits[] | null;
}

export interface NodeFiles {
  readonly name: string;
  readonly threads: readonly ThreadFiles[];
}

export interface ThreadSummary {
  readonly name: string;
  readonly cpu: CpuMs;
  /** On V8's heap. */
  readonly allocatedBytes: number;
}

/** In the run that recorded waits. */
interface WaitsOfThread {
  readonly thread: string;
  readonly waits: readonly SiteWaits[];
}

/** In the run that sampled CPU: samples say where the time went, this says how much it was. */
interface SampledThread {
  readonly thread: string;
  readonly cpu: CpuMs;
}

/** What a node used while it was not profiled, and what was recorded of it in runs of their own. */
export interface NodeSummary {
  readonly name: string;
  readonly elapsedMs: number;
  /** Of the whole process. */
  readonly cpu: CpuMs;
  /** All nodes' requests: each node has a part in them. */
  readonly requests: number;
  readonly userMicrosPerRequest: number;
  readonly systemMicrosPerRequest: number;
  readonly allocatedBytesPerRequest: number;
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
  /** Null where the system does not tell. */
  readonly osThreads: number | null;
  readonly residentBytes: number;
  readonly threads: readonly ThreadSummary[];
  /** Null where CPU was not sampled. */
  readonly sampledThreads: readonly SampledThread[] | null;
  /** Null where they were not recorded. */
  readonly waits: readonly WaitsOfThread[] | null;
}

/** One run of the load. */
export interface RunSummary {
  /** Null: without any profile. */
  readonly kind: ProfileKind | null;
  readonly requests: number;
  readonly errors: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of all profiled nodes. */
  readonly cpuMicrosPerRequest: number;
  /** Why the run may not be believed; empty when it may. */
  readonly faults: readonly string[];
}

/** What a kind of profile costs: CPU time a request with it, against the runs without. */
export interface Overhead {
  readonly kind: ProfileKind;
  readonly withoutMicrosPerRequest: number;
  readonly withMicrosPerRequest: number;
  readonly ratio: number;
}

export interface ProfileSummary {
  readonly version: typeof PROFILE_FOLDER_VERSION;
  /** Of Quorate, of the nodes' Node and of the machine. */
  readonly quorate: string;
  readonly runtime: string;
  readonly machine: string;
  readonly createdAt: string;
  /** The load in words. */
  readonly load: string;
  readonly kinds: readonly ProfileKind[];
  readonly cpuIntervalMs: number;
  readonly heapIntervalBytes: number;
  /** Of the nodes, where `profile` started them itself: flags and their values; null where they ran already. */
  readonly nodeSettings: Readonly<Record<string, string>> | null;
  readonly isValid: boolean;
  readonly runs: readonly RunSummary[];
  readonly nodes: readonly NodeSummary[];
  readonly overhead: readonly Overhead[];
  /** All files beside this one, relative to the folder, with `/`. */
  readonly files: readonly string[];
}

/** A whole profile in memory. */
export interface ProfileFolder {
  readonly summary: ProfileSummary;
  readonly nodes: readonly NodeFiles[];
}

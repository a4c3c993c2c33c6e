/** What a node's profile is, for those who ask for one and those who read it: plain data. */
import type { SiteWaits } from '../native-free-lsm/index.ts';

export const PROFILE_KINDS = ['cpu', 'heap', 'waits'] as const;
export type ProfileKind = (typeof PROFILE_KINDS)[number];

export interface ProfileRequest {
  /** None: only what the profile says of every node and thread anyway. */
  readonly kinds: readonly ProfileKind[];
  /** It ends by itself after this time. */
  readonly durationMs: number;
  readonly cpuIntervalMs: number;
  /** One allocation in about so many bytes is sampled. */
  readonly heapIntervalBytes: number;
}

export interface ProfileBound {
  readonly least: number;
  readonly most: number;
  readonly standard: number;
}

export const PROFILE_DURATION_MS: ProfileBound = { least: 10, most: 600_000, standard: 10_000 };
export const CPU_INTERVAL_MS: ProfileBound = { least: 1, most: 1_000, standard: 5 };
export const HEAP_INTERVAL_BYTES: ProfileBound = { least: 1024, most: 2 ** 30, standard: 64 * 1024 };

export const PROFILE_VERSION = 1;

export interface CpuMs {
  readonly userMs: number;
  readonly systemMs: number;
}

export interface ProfiledThread {
  /** `main`, `writer`, `reader-1`, `background-1`. */
  readonly name: string;
  readonly cpu: CpuMs;
  /** On V8's heap; what lies outside of it, as the bytes of most Buffers, is not counted. */
  readonly allocatedBytes: number;
  /** As Chrome's developer tools read them; null: not asked for, or the thread was gone before it was asked. */
  readonly cpuProfile: unknown;
  readonly heapProfile: unknown;
  readonly waits: readonly SiteWaits[];
}

export interface NodeProfile {
  readonly version: typeof PROFILE_VERSION;
  readonly node: string;
  /** `size`: it would have become too large. */
  readonly endedBy: 'time' | 'request' | 'size';
  readonly elapsedMs: number;
  /** Of the whole process: all its threads, those of V8 and libuv too. */
  readonly cpu: CpuMs;
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
  /** Of the operating system, at the end; null where it does not tell (it is Linux that does). */
  readonly osThreads: number | null;
  readonly residentBytes: number;
  readonly threads: readonly ProfiledThread[];
}

/** What is kept of a profile. Pure. */
import type { Method, Replication } from '../scale.ts';

/** The waits of a thread at one place, without those in which it had nothing to do. */
export interface PlaceOfWaits {
  /** `node-1 › writer › disk › log › fdatasync` */
  readonly place: string;
  /** Of the time of the run. */
  readonly totalShare: number;
  readonly perSecond: number;
  readonly meanMs: number;
}

export interface ProfileResult {
  /** By name: of all nodes, a request, and the parts of their CPU time. */
  readonly figures: Readonly<Record<string, number>>;
  readonly waits: readonly PlaceOfWaits[];
  /** Why it may not be believed; empty when it may. */
  readonly faults: readonly string[];
  /** Files of the step's folder that are published, in that form. */
  readonly files: readonly string[];
}

/** Of all nodes, a request; what each kind of profile cost, as a share of the CPU time without. */
export const USAGE_NAMES = [
  'cpuMicros',
  'kernelShare',
  'allocatedBytes',
  'contextSwitches',
  'threads',
  'cpuOverheadShare',
  'heapOverheadShare',
  'waitsOverheadShare',
] as const;

export function profileStepName(method: Method, replication: Replication): string {
  return `profile-${method}-${replication}`;
}

export interface DiffResult {
  /** The largest changes, as the command prints them. */
  readonly text: string;
  readonly files: readonly string[];
}

/** @param after against the one before it: parallel against sequential, hedged against parallel */
export function diffStepName(method: Method, after: Replication): string {
  return `diff-${method}-${after}`;
}

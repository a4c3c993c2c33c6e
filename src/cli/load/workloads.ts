/**
 * The core workloads of YCSB (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010): records of ten
 * fields of 100 bytes, here one value. Pure.
 */
import type { KeyChoiceName } from './key-choice.ts';
import { type OperationShares, sharesOf } from './operation-mix.ts';

interface Workload {
  readonly summary: string;
  readonly shares: OperationShares;
  readonly keyChoice: KeyChoiceName;
}

export const YCSB_VALUE_BYTES = 1_000;
/** Keys sort as their numbers do, as scans name their end. */
export const YCSB_KEY_DIGITS = 12;
export const YCSB_MAX_SCAN_ENTRIES = 100;

export const WORKLOADS = {
  a: { summary: 'half reads, half updates', shares: sharesOf({ get: 50, put: 50 }), keyChoice: 'zipfian' },
  b: { summary: '95 % reads, 5 % updates', shares: sharesOf({ get: 95, put: 5 }), keyChoice: 'zipfian' },
  c: { summary: 'reads', shares: sharesOf({ get: 100 }), keyChoice: 'zipfian' },
  d: {
    summary: '95 % reads of what was inserted last, 5 % inserts',
    shares: sharesOf({ get: 95, insert: 5 }),
    keyChoice: 'latest',
  },
  e: {
    summary: '95 % scans of 1 to 100 entries, 5 % inserts',
    shares: sharesOf({ scan: 95, insert: 5 }),
    keyChoice: 'zipfian',
  },
  f: {
    summary: 'half reads, half reads that are followed by an update of the same key',
    shares: sharesOf({ get: 50, readModifyWrite: 50 }),
    keyChoice: 'zipfian',
  },
} as const satisfies Readonly<Record<string, Workload>>;
export type WorkloadName = keyof typeof WORKLOADS;
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];

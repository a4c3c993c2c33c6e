/** A load for tests: GETs of 1,000 keys over 64 connections, but for what a test changes. */
import { sharesOf } from '../../src/cli/load/operation-mix.ts';
import type { LoadPlan } from '../../src/cli/load/plan.ts';

export function loadPlan(changes: Partial<LoadPlan> = {}): LoadPlan {
  return {
    targets: [{ host: '127.0.0.1', port: 19234 }],
    connections: 64,
    ratePerSecond: 0,
    warmUpMs: 0,
    durationMs: 1_000,
    shares: sharesOf({ get: 1 }),
    keys: 1_000,
    keyChoice: 'uniform',
    keyDigits: 0,
    valueBytes: 0,
    maxScanEntries: 100,
    ack: undefined,
    from: undefined,
    consistency: 'default',
    threads: 1,
    seed: 1,
    ...changes,
  };
}

/** Runs seeds in a thread, one after the other. */
import type { Violation } from '../../simulation/history.ts';
import { makePlan } from '../../simulation/plan/make-plan.ts';
import { runPlan } from '../../simulation/run.ts';

export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

export interface FailedSeed {
  readonly seed: number;
  readonly violations: readonly Violation[];
}

export interface SeedResult {
  readonly requests: number;
  readonly faults: number;
  readonly simulatedMs: number;
  /** As `Coverage.toCounts` gives it. */
  readonly coverage: readonly (readonly [string, number])[];
  /** Null: all promises were kept. */
  readonly failed: FailedSeed | null;
}

export async function run({ count, first }: SeedRange): Promise<readonly SeedResult[]> {
  const results: SeedResult[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const { coverage, figures, violations } = await runPlan(makePlan(seed));
    const { faults, requests, simulatedMs } = figures;
    const failed = violations.length === 0 ? null : { seed, violations };
    results.push({ requests, faults, simulatedMs, coverage: coverage.toCounts(), failed });
  }
  return results;
}

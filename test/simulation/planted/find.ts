import { makePlan } from '../../../src/simulation/plan/make-plan.ts';
import { runPlan } from '../../../src/simulation/run.ts';
import type { Mutation } from './mutation.ts';

export interface Finding {
  /** How many seeds it took; 0: it was not found. */
  readonly seeds: number;
  /** What the simulator says. */
  readonly sentence: string;
}

/** Plants a fault, and runs seeds from 1 on until one breaks a promise. */
export async function findPlanted(mutation: Mutation, mostSeeds: number): Promise<Finding> {
  const undo = mutation.plant();
  try {
    for (let seed = 1; seed <= mostSeeds; seed++) {
      const sentence = await brokenBy(seed);
      if (sentence !== '') return { seeds: seed, sentence };
    }
  } finally {
    undo();
  }
  return { seeds: 0, sentence: '' };
}

/** A run that cannot go on for the fault counts as well. */
async function brokenBy(seed: number): Promise<string> {
  try {
    const [violation] = (await runPlan(makePlan(seed))).violations;
    return violation === undefined ? '' : `${violation.check}: ${violation.sentence}`;
  } catch (error) {
    return `the run fails: ${(error as Error).message}`;
  }
}

/** The data of the other steps. */
import type { Step } from '../step.ts';

export interface FillResult {
  readonly seconds: number;
  readonly size: string;
}

/** @param budgetSeconds on a machine with two cores */
export function fillStep(size: string, budgetSeconds: number): Step {
  return {
    name: 'fill',
    title: `three nodes with ${size} each`,
    budgetSeconds,
    needs: [],
    run: async ({ data, program, scale }): Promise<FillResult> => {
      const start = performance.now();
      await data.fill(program, scale);
      return { seconds: (performance.now() - start) / 1_000, size: scale.size };
    },
  };
}

/** What might be done otherwise, each measured by a benchmark of its own, whose rows the report takes in. */
import { type BenchRow, benchRowsOf } from '../../support/bench-file.ts';
import type { Scale } from '../scale.ts';
import type { Step } from '../step.ts';
import { ACCUMULATOR, ALTERNATIVES, type Alternative } from './alternative-names.ts';

const QUICK_SHARE = 0.1;

/** The part of the file of `bench:micro` that is read. */
interface MicroFile {
  readonly figures: readonly {
    readonly name: string;
    readonly nsPerOperation: number;
    readonly margin: number;
  }[];
}

export function alternativeSteps(scale: Scale): Step[] {
  return [
    ...ALTERNATIVES.map((alternative) =>
      stepOf(scale, alternative, (content) => benchRowsOf(content, alternative.name)),
    ),
    stepOf(scale, ACCUMULATOR, (content) =>
      (content as MicroFile).figures.map(
        ({ name, nsPerOperation, margin }): BenchRow => ({
          case: name,
          perOperationNs: nsPerOperation,
          marginShare: margin,
        }),
      ),
    ),
  ];
}

function stepOf(
  { isQuickBench }: Scale,
  { args, budgetSeconds, name, quickArgs, title }: Alternative,
  rowsOf: (content: unknown) => readonly BenchRow[],
): Step {
  return {
    name,
    title,
    budgetSeconds: isQuickBench ? budgetSeconds * QUICK_SHARE : budgetSeconds,
    needs: [],
    run: async ({ program }) =>
      rowsOf(await program.runForJson(isQuickBench ? [...args, ...quickArgs] : args)),
  };
}

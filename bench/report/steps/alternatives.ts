/** What might be done otherwise, each measured by a benchmark of its own, whose rows the report takes in. */
import { benchRowsOf } from '../../support/bench-file.ts';
import type { Scale } from '../scale.ts';
import type { Step } from '../step.ts';
import { ALTERNATIVES } from './alternative-names.ts';

export function alternativeSteps({ isQuickBench }: Scale): Step[] {
  return ALTERNATIVES.map(({ budgetSeconds, name, quickBudgetSeconds, quickFlags, script, title }) => ({
    name,
    title,
    budgetSeconds: isQuickBench ? quickBudgetSeconds : budgetSeconds,
    needs: [],
    run: async ({ program }) =>
      benchRowsOf(await program.runScriptForJson(script, isQuickBench ? quickFlags : []), script),
  }));
}

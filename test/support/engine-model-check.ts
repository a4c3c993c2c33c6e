/** The model test as a property, for the test and for the campaign. */
import fc from 'fast-check';
import { backgroundDelayMs, configuration, operations } from './engine-model-operations.ts';
import { ModelRun } from './engine-model-run.ts';

export interface ModelCheck {
  readonly runs: number;
  readonly seed: number;
  /** The path of a printed failure: only that case is run. */
  readonly path?: string | undefined;
  /** Called after each run, also after those that make a failing case smaller. */
  readonly onRun?: () => void;
}

/** @throws Error with seed, path and the smallest case that was found */
export async function checkModel({ runs, seed, path, onRun }: ModelCheck): Promise<void> {
  const property = fc.asyncProperty(
    configuration,
    backgroundDelayMs,
    operations,
    async (options, delayMs, all) => {
      await ModelRun.check(options, delayMs, all);
      onRun?.();
    },
  );
  await fc.assert(property, { numRuns: runs, seed, ...(path !== undefined && { path, endOnFailure: true }) });
}

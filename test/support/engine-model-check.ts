/** The model test as a property, for the test and for the campaign. */
import fc from 'fast-check';
import {
  backgroundDelayMs,
  configuration,
  isReplica,
  operations,
  slotOperations,
} from './engine-model-operations.ts';
import { ModelRun } from './engine-model-run.ts';

export interface ModelCheck {
  readonly runs: number;
  readonly seed: number;
  /** The path of a printed failure: only that case is run. */
  readonly path?: string | undefined;
  /** Called after each run, also after those that make a failing case smaller. */
  readonly onRun?: () => void;
}

/**
 * All that an engine does.
 * @throws Error with seed, path and the smallest case that was found
 */
export async function checkModel({ runs, seed, path, onRun }: ModelCheck): Promise<void> {
  const property = fc.asyncProperty(
    configuration,
    backgroundDelayMs,
    isReplica,
    operations,
    async (options, delayMs, replica, all) => {
      await ModelRun.check(options, delayMs, all, replica);
      onRun?.();
    },
  );
  await fc.assert(property, { numRuns: runs, seed, ...(path !== undefined && { path, endOnFailure: true }) });
}

/**
 * What it says of slots.
 * @throws Error as above
 */
export async function checkSlotModel({ runs, seed, path }: ModelCheck): Promise<void> {
  const property = fc.asyncProperty(
    configuration,
    backgroundDelayMs,
    slotOperations,
    (options, delayMs, all) => ModelRun.check(options, delayMs, all, true),
  );
  await fc.assert(property, { numRuns: runs, seed, ...(path !== undefined && { path, endOnFailure: true }) });
}

/** All that a report is built from: what each step has brought. It stands beside the report as results.json. */
import { existsSync, readFileSync } from 'node:fs';
import type { Scale } from './scale.ts';
import type { StepRecord, WorkFolder } from './work-folder.ts';

const RESULTS_VERSION = 1;

export interface Results {
  readonly version: typeof RESULTS_VERSION;
  readonly scale: Scale;
  /** In the order of the steps; those that were not tried are missing. */
  readonly records: readonly StepRecord[];
}

/** @param steps all names, in their order */
export function gatherResults(scale: Scale, steps: readonly string[], work: WorkFolder): Results {
  return { version: RESULTS_VERSION, scale, records: steps.flatMap((step) => work.read(step) ?? []) };
}

/** @throws Error with a sentence when there are none, or not as this version reads them */
export function readResults(file: string): Results {
  if (!existsSync(file)) throw new Error(`there is no ${file}: a run without --build measures and writes it`);
  const results = JSON.parse(readFileSync(file, 'utf8')) as Partial<Results>;
  if (results.version !== RESULTS_VERSION) throw new Error(`${file} is of another version: measure anew`);
  return results as Results;
}

/** @returns undefined when the step has failed or was not tried */
export function resultOf<T>(results: Results, step: string): T | undefined {
  const record = results.records.find((known) => known.step === step);
  return record?.state === 'done' ? (record.result as T) : undefined;
}

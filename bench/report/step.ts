/** A step of the report: what it is to `plan.ts` and `runner.ts`. */
import type { DataFolder } from './data-folder.ts';
import type { Program } from './program.ts';
import type { Scale } from './scale.ts';

export interface StepContext {
  readonly scale: Scale;
  readonly program: Program;
  readonly data: DataFolder;
  /** A folder of the step, for files that its result names; empty. */
  readonly folder: string;
  /** That of another step, which has brought something. */
  folderOf(step: string): string;
  /** What another step has brought; undefined: it has not, or failed. */
  resultOf<T>(step: string): T | undefined;
}

export interface Step {
  readonly name: string;
  readonly title: string;
  /** How long it is expected to take, for the time that is left. */
  readonly budgetSeconds: number;
  /** Steps without whose results this one cannot begin. */
  readonly needs: readonly string[];
  /** @returns plain data, which is kept as JSON */
  readonly run: (context: StepContext) => Promise<unknown>;
}

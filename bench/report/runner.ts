/** Does the steps of a report one after the other: those that are done are not done again, one that fails stops no other. */
import { mkdirSync } from 'node:fs';
import { endAllBound } from '../support/bound-child.ts';
import type { DataFolder } from './data-folder.ts';
import { describeSeconds } from './numbers.ts';
import { remainingSteps, secondsLeft } from './plan.ts';
import { Program } from './program.ts';
import type { Scale } from './scale.ts';
import type { Step, StepContext } from './step.ts';
import type { WorkFolder } from './work-folder.ts';

/** A step that takes so many times its budget hangs. The least is for machines that are busy with something else. */
const PATIENCE = 3;
const LEAST_PATIENCE_SECONDS = 60;

export interface RunOptions {
  readonly steps: readonly Step[];
  readonly scale: Scale;
  readonly work: WorkFolder;
  readonly data: DataFolder;
  readonly commit: string;
  /** Its abort ends the step that is running, and the run. */
  readonly signal: AbortSignal;
  /** Told, a line at a time, how far it is. */
  readonly tell: (line: string) => void;
}

/** @returns the names of the steps that failed */
export async function runSteps(options: RunOptions): Promise<string[]> {
  const { signal, steps, tell, work } = options;
  const isDone = (name: string): boolean => work.read(name)?.state === 'done';
  const toDo = remainingSteps(steps, isDone);
  const taken: { budgetSeconds: number; seconds: number }[] = [];
  const failed: string[] = [];
  const started = performance.now();
  if (toDo.length < steps.length)
    tell(`${steps.length - toDo.length} of ${steps.length} steps were done before`);
  tell(`${toDo.length} steps to do, about ${describeSeconds(secondsLeft([], toDo))}`);
  for (const [index, step] of toDo.entries()) {
    const left = secondsLeft(taken, toDo.slice(index));
    const place = `step ${steps.indexOf(step) + 1} of ${steps.length}`;
    const elapsed = (performance.now() - started) / 1_000;
    tell(
      `${place}, ${describeSeconds(elapsed)} gone, about ${describeSeconds(left)} left: ${step.name}: ${step.title}`,
    );
    const seconds = await runStep(step, options);
    signal.throwIfAborted();
    const record = work.read(step.name);
    // What failed says nothing of how fast this machine is.
    if (record?.state === 'done') taken.push({ budgetSeconds: step.budgetSeconds, seconds });
    else {
      failed.push(step.name);
      tell(`  FAILED after ${describeSeconds(seconds)}: ${record?.error ?? 'its result could not be kept'}`);
    }
  }
  tell(`done after ${describeSeconds((performance.now() - started) / 1_000)}`);
  return failed;
}

/** Leaves a record, and no process. */
async function runStep(step: Step, options: RunOptions): Promise<number> {
  const { commit, data, scale, signal, work } = options;
  const patienceMs = Math.max(step.budgetSeconds * PATIENCE, LEAST_PATIENCE_SECONDS) * 1_000;
  const program = new Program(AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
  work.forget(step.name);
  const folder = work.filesOf(step.name);
  const startedAt = new Date().toISOString();
  const start = performance.now();
  const secondsSoFar = (): number => (performance.now() - start) / 1_000;
  const resultOf = <T>(name: string): T | undefined => {
    const record = work.read(name);
    return record?.state === 'done' ? (record.result as T) : undefined;
  };
  const head = () => ({
    step: step.name,
    commit,
    startedAt,
    seconds: secondsSoFar(),
    commands: program.commands,
  });
  try {
    const missing = step.needs.find((name) => work.read(name)?.state !== 'done');
    if (missing !== undefined) throw new Error(`it needs ${missing}, which failed`);
    mkdirSync(folder, { recursive: true });
    const context: StepContext = {
      scale,
      program,
      data,
      folder,
      resultOf,
      folderOf: (name) => work.filesOf(name),
    };
    const result = await step.run(context);
    work.write({ ...head(), state: 'done', result });
  } catch (error) {
    if (!signal.aborted) work.write({ ...head(), state: 'failed', error: describe(error, patienceMs) });
  } finally {
    await endAllBound();
  }
  return secondsSoFar();
}

function describe(error: unknown, patienceMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return `it was ended, because it took longer than ${describeSeconds(patienceMs / 1_000)}`;
  return error instanceof Error ? error.message : String(error);
}

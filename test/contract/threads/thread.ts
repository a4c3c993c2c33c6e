import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';

/** Multiplies the amount of work of every thread test: `QUORATE_STRESS=100` runs for minutes. */
export const STRESS = Number(process.env.QUORATE_STRESS ?? 1);

/**
 * Runs `file` of this folder in a thread until it ends, and returns the one message that it sends before. A failed
 * assertion in the thread fails the test, and the end of the test ends the thread, whatever its state.
 */
export function runThread<Result>(t: TestContext, file: string, workerData: unknown): Promise<Result> {
  return startThread<Result>(t, file, workerData).result;
}

/** Like `runThread`, for a thread that is to be killed. */
export function startThread<Result>(
  t: TestContext,
  file: string,
  workerData: unknown,
): { worker: Worker; result: Promise<Result> } {
  const worker = new Worker(new URL(file, import.meta.url), { workerData });
  t.after(() => worker.terminate());
  return { worker, result: resultOf<Result>(worker, file) };
}

async function resultOf<Result>(worker: Worker, file: string): Promise<Result> {
  const [result] = await Promise.race([
    once(worker, 'message'),
    once(worker, 'exit').then(([code]) => {
      throw new Error(`${file} ended with ${code} and without a word`);
    }),
  ]);
  return result as Result;
}

/** xorshift32: the same numbers for the same seed, from 0 to below `bound`. */
export function randomFrom(seed: number): (bound: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** Measures cases round by round, each in a fresh thread, with a progress line. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Presets, SingleBar } from 'cli-progress';
import type { FoundCase } from './load-cases.ts';
import type { Measured } from './measure.ts';
import type { MeasureRequest } from './measure-thread.ts';
import { type Figure, figureOf } from './statistics.ts';

const THREAD = new URL('./measure-thread.ts', import.meta.url);

/** One round of one case, in a thread of its own. */
async function measureInThread(request: MeasureRequest): Promise<Measured> {
  const worker = new Worker(THREAD, { workerData: request });
  const [measured] = (await once(worker, 'message')) as [Measured];
  await worker.terminate();
  return measured;
}

/**
 * Each round goes over all cases, so that a busy minute of the machine affects all of them.
 * @param timeMs of one case, all rounds together
 */
export async function measureRounds(
  found: readonly FoundCase[],
  rounds: number,
  timeMs: number,
): Promise<Figure[]> {
  const measured = found.map((): Measured[] => []);
  const bar = new SingleBar(
    {
      format: '{bar} {percentage} %  {name}',
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  bar.start(found.length * rounds, 0, { name: '' });
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [index, { file, microCase }] of found.entries()) {
        bar.update({ name: microCase.name });
        const request = { file, name: microCase.name, timeMs: timeMs / rounds };
        measured[index].push(await measureInThread(request));
        bar.increment();
      }
    }
  } finally {
    bar.stop();
  }
  return found.map(({ microCase }, index) =>
    figureOf(
      microCase.name,
      measured[index].map(({ nsPerOperation }) => nsPerOperation),
      measured[index].reduce((sum, { samples }) => sum + samples, 0),
    ),
  );
}

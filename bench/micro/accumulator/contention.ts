/** Measures one way of accumulating with the answers coming from several threads. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { median } from '../statistics.ts';
import { quorumOf, timestampOf, type Versions, type Way } from './answers.ts';
import { BLOCK_REQUESTS, type FoldFigures, type FoldTask } from './fold-thread.ts';
import { SharedRequests } from './shared-requests.ts';
import { StartLine } from './start-line.ts';

export const THREADS = [1, 2, 4] as const;

/** 1024 with 32 replicas are 0.6 MiB, which the processor's own caches hold. */
const REQUESTS = 16 * BLOCK_REQUESTS;
/** The first passes, while the code is not optimized yet, do not count. */
const WARMUP_SHARE = 0.3;
const THREAD = new URL('./fold-thread.ts', import.meta.url);

export interface Contended {
  readonly nsPerAnswer: number;
  readonly answers: number;
  readonly retries: number;
}

/** @throws Error when a request was not decided once, or without an answer that had to be known */
export async function measureContended(
  way: Way,
  versions: Versions,
  replicas: number,
  threads: number,
  answers: number,
): Promise<Contended> {
  const requests = SharedRequests.create(REQUESTS, replicas);
  const passes = Math.max(Math.ceil(answers / (REQUESTS * replicas)), 2);
  const common = { way, versions, replicas, threads, passes };
  const memory = { requests: requests.memory, startLine: new StartLine(threads).memory };
  const figures = await runThreads(
    Array.from({ length: threads }, (_, thread) => ({ ...common, ...memory, thread })),
  );
  const sum = (of: (figures: FoldFigures) => number): number =>
    figures.reduce((total, each) => total + of(each), 0);
  const decisions = sum((each) => each.decisions);
  // The freshest of `ack` answers or more: with rising versions that of the `ack`-th position at least.
  const least = timestampOf(versions, quorumOf(replicas) - 1);
  const most = timestampOf(versions, replicas - 1);
  const areFresh = figures.every(({ newest, oldest }) => oldest >= least && newest <= most);
  if (decisions !== REQUESTS * passes || !areFresh) {
    const freshest = figures.map(({ newest, oldest }) => `${oldest} to ${newest}`).join(', ');
    throw new Error(
      `${way}, ${replicas} replicas, ${threads} threads: ${decisions} decisions of ${REQUESTS * passes} requests, the freshest ${freshest} instead of ${least} to ${most}`,
    );
  }
  // The median, and not a lower quartile: what contention costs is to be seen.
  const counted = figures.flatMap(({ nsPerAnswer }) => [
    ...nsPerAnswer.subarray(Math.floor(nsPerAnswer.length * WARMUP_SHARE)),
  ]);
  return {
    nsPerAnswer: median(counted),
    answers: sum((each) => each.answers),
    retries: sum((each) => each.retries),
  };
}

async function runThreads(tasks: readonly FoldTask[]): Promise<FoldFigures[]> {
  const workers = tasks.map((task) => new Worker(THREAD, { workerData: task }));
  try {
    const messages = await Promise.all(workers.map((worker) => once(worker, 'message')));
    return messages.map(([figures]) => figures as FoldFigures);
  } finally {
    // Also when one has failed, because the others wait for it.
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

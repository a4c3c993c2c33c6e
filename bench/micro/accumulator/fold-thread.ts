/** A thread that brings its part of the answers to requests that all threads work at, and times itself. */
import { parentPort, workerData } from 'node:worker_threads';
import { quorumOf, timestampOf, type Versions, type Way, WRITER } from './answers.ts';
import { createSharedFold, type SharedFold } from './shared-folds.ts';
import { SharedRequests } from './shared-requests.ts';
import { StartLine } from './start-line.ts';

export interface FoldTask {
  readonly way: Way;
  readonly versions: Versions;
  readonly replicas: number;
  readonly thread: number;
  readonly threads: number;
  /** How often all requests in the memory are answered. */
  readonly passes: number;
  readonly requests: SharedArrayBuffer;
  readonly startLine: SharedArrayBuffer;
}

export interface FoldFigures {
  /** What an answer took, for each block of requests that the threads began together. */
  readonly nsPerAnswer: Float64Array;
  readonly answers: number;
  readonly retries: number;
  /** Requests that succeeded with an answer of this thread. */
  readonly decisions: number;
  /** The oldest and the newest of their freshest timestamps. */
  readonly oldest: number;
  readonly newest: number;
}

/** Requests between two meetings: not many, so that the threads stay at the same ones. */
export const BLOCK_REQUESTS = 64;

interface Decided {
  decisions: number;
  oldest: number;
  newest: number;
}

function bringBlock(
  { replicas, thread, threads }: FoldTask,
  fold: SharedFold,
  timestamps: Float64Array,
  first: number,
  decided: Decided,
): void {
  for (let request = first; request < first + BLOCK_REQUESTS; request++) {
    // Each request in another order of threads, so that each thread brings as many answers.
    for (let position = (thread + request) % threads; position < replicas; position += threads) {
      if (!fold.succeed(request, position, timestamps[position], WRITER)) continue;
      decided.decisions++;
      if (fold.timestamp < decided.oldest) decided.oldest = fold.timestamp;
      if (fold.timestamp > decided.newest) decided.newest = fold.timestamp;
    }
  }
}

function answersInBlock({ replicas, thread, threads }: FoldTask, first: number): number {
  let answers = 0;
  for (let request = first; request < first + BLOCK_REQUESTS; request++)
    for (let position = (thread + request) % threads; position < replicas; position += threads) answers++;
  return answers;
}

function run(task: FoldTask): FoldFigures {
  const { passes, replicas, startLine, thread, threads, versions, way } = task;
  const requests = new SharedRequests(task.requests, replicas);
  const fold = createSharedFold(way, requests, quorumOf(replicas), replicas);
  const line = new StartLine(threads, startLine);
  const timestamps = Float64Array.from({ length: replicas }, (_, position) =>
    timestampOf(versions, position),
  );
  const blocks = requests.count / BLOCK_REQUESTS;
  const nsPerAnswer = new Float64Array(passes * blocks);
  const decided: Decided = { decisions: 0, oldest: Number.MAX_SAFE_INTEGER, newest: 0 };
  let answers = 0;
  for (let pass = 0; pass < passes; pass++) {
    for (let block = 0; block < blocks; block++) {
      const first = block * BLOCK_REQUESTS;
      const inBlock = answersInBlock(task, first);
      line.meet();
      const startMs = performance.now();
      bringBlock(task, fold, timestamps, first, decided);
      nsPerAnswer[pass * blocks + block] = ((performance.now() - startMs) * 1e6) / inBlock;
      answers += inBlock;
    }
    line.meet();
    if (thread === 0) requests.clear();
    line.meet();
  }
  return { ...decided, nsPerAnswer, answers, retries: fold.retries };
}

parentPort?.postMessage(run(workerData as FoldTask));

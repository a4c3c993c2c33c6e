/** One row of the benchmark: a load with fresh connections beside it, and what the nodes need meanwhile. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchCluster } from '../support/bench-cluster.ts';
import { residentMib } from '../support/processes.ts';
import type { FreshResult, Load, LoadMessage, LoadReport, LoadResult } from './load.ts';

const LOAD_PROCESS = fileURLToPath(new URL('./load-process.ts', import.meta.url));
const SAMPLE_MS = 250;

export interface Row {
  readonly load: Load;
  readonly result: LoadResult;
  readonly fresh: FreshResult;
  readonly goodPerSecond: number;
  readonly goodMibPerSecond: number;
  /** The most resident memory of any node. */
  readonly residentMib: number;
  /** The CPU time of all nodes and threads per good answer; it includes what was spent on the others. */
  readonly cpuMicrosPerGood: number;
}

export async function measure(cluster: BenchCluster, load: Load, freshPerSecond: number): Promise<Row> {
  const { port, seconds, warmUpSeconds } = load;
  let residentMost = 0;
  const sampling = setInterval(() => {
    for (const { pid } of cluster.nodes) residentMost = Math.max(residentMost, residentMib(pid));
  }, SAMPLE_MS);
  const cpuBefore = cluster.cpuSeconds();
  try {
    const [loaded, fresh] = await Promise.all([
      inProcess({ type: 'load', load }),
      inProcess({ type: 'fresh', load: { port, perSecond: freshPerSecond, warmUpSeconds, seconds } }),
    ]);
    if (loaded.type !== 'load' || fresh.type !== 'fresh')
      throw new Error('a load process reported another load');
    const { result } = loaded;
    // It includes the warm-up, whose share is subtracted by time.
    const cpuSeconds = ((cluster.cpuSeconds() - cpuBefore) * seconds) / (seconds + warmUpSeconds);
    return {
      load,
      result,
      fresh: fresh.result,
      goodPerSecond: result.answers.good / seconds,
      goodMibPerSecond: result.goodBytes / seconds / 2 ** 20,
      residentMib: residentMost,
      cpuMicrosPerGood: (cpuSeconds / result.answers.good) * 1e6,
    };
  } finally {
    clearInterval(sampling);
  }
}

async function inProcess(message: LoadMessage): Promise<LoadReport> {
  const child = fork(LOAD_PROCESS, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const { promise, resolve, reject } = Promise.withResolvers<LoadReport>();
  child.once('message', (report) => resolve(report as LoadReport));
  child.once('close', (code, signal) =>
    reject(new Error(`a load process ended: ${signal ?? `exit code ${code}`}`)),
  );
  child.once('error', reject);
  child.send(message);
  return await promise;
}

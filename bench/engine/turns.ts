/** Two clusters under the same load, in turns. */
import type { BenchCluster } from '../support/bench-cluster.ts';
import { type Load, type LoadResult, wrk } from '../support/wrk.ts';
import type { RunSettings } from './context.ts';
import { digits, median } from './figure.ts';

export interface Turn extends LoadResult {
  /** The CPU time of all threads of all nodes. */
  readonly cpuMicrosPerRequest: number;
  /** Blocks of tables read for gets, by node: by the pool's threads, and by the main thread. */
  readonly poolReads: readonly number[];
  readonly mainReads: readonly number[];
}

export interface Turns {
  readonly ours: readonly Turn[];
  readonly theirs: readonly Turn[];
  /** The median of the pairs' ratios, ours divided by theirs. */
  readonly ratio: number;
}

export async function takeTurns(
  ours: BenchCluster,
  theirs: BenchCluster,
  load: Omit<Load, 'seconds'>,
  { rounds, seconds }: RunSettings,
  progress: (line: string) => void,
): Promise<Turns> {
  const turns = { ours: [] as Turn[], theirs: [] as Turn[] };
  for (let round = 1; round <= rounds; round++) {
    for (const [name, cluster] of [
      ['theirs', theirs],
      ['ours', ours],
    ] as const) {
      const turn = await takeTurn(cluster, { ...load, seconds, seed: round });
      turns[name].push(turn);
      progress(`round ${round}, ${name}: ${describeTurn(turn)}`);
    }
  }
  const ratios = turns.ours.map((turn, i) => turn.requestsPerSecond / turns.theirs[i].requestsPerSecond);
  return { ...turns, ratio: median(ratios) };
}

/** One run. Flushes and compactions that it caused are finished before it returns and are not counted. */
export async function takeTurn(cluster: BenchCluster, load: Load): Promise<Turn> {
  const before = await cluster.statuses();
  const cpuBefore = cluster.cpuSeconds();
  const result = await wrk(cluster.port, load);
  const cpu = cluster.cpuSeconds() - cpuBefore;
  const after = await cluster.statuses();
  const reads = (isMain: boolean): number[] =>
    after.map(({ engine }, node) => {
      let sum = 0;
      for (const [thread, count] of Object.entries(engine.tableReadsByThread)) {
        if ((thread === 'main') !== isMain) continue;
        sum += count - (before[node].engine.tableReadsByThread[thread] ?? 0);
      }
      return sum;
    });
  await cluster.settled();
  if (result.failures > 0) throw new Error(`${result.failures} requests were not answered`);
  return {
    ...result,
    cpuMicrosPerRequest: (cpu / result.requests) * 1e6,
    poolReads: reads(false),
    mainReads: reads(true),
  };
}

export function describeTurn(turn: Turn): string {
  return (
    `${digits(turn.requestsPerSecond)}/s, ${turn.cpuMicrosPerRequest.toFixed(1)} µs CPU a request, ` +
    `p50 ${turn.p50Ms} p99 ${turn.p99Ms} p99.9 ${turn.p999Ms} ms, errors ${turn.errors}`
  );
}

export function describeTurns({ ours, theirs }: Turns): string {
  const of = (turns: readonly Turn[]): string =>
    `${digits(median(turns.map((turn) => turn.requestsPerSecond)))}/s with ` +
    `${median(turns.map((turn) => turn.cpuMicrosPerRequest)).toFixed(1)} µs CPU a request`;
  return `${of(ours)} against ${of(theirs)}; p99.9 ${median(ours.map((turn) => turn.p999Ms))} ms; errors ${ours.reduce((sum, turn) => sum + turn.errors, 0)}`;
}

/** The loop delay and the levels of every node. */
export async function describeNodes(cluster: BenchCluster): Promise<string[]> {
  return (await cluster.statuses()).map(({ engine, eventLoopDelay: delay }, i) => {
    const levels = engine.tablesByLevel
      .map((tables, level) => ({ tables, level, mib: engine.bytesByLevel[level] / 2 ** 20 }))
      .filter(({ tables }) => tables > 0)
      .map(({ tables, level, mib }) => `L${level} ${tables} tables ${mib.toFixed(0)} MiB`);
    return (
      `node ${i + 1}: loop delay p99 ${delay.p99Ms.toFixed(1)} p99.9 ${delay.p999Ms.toFixed(1)} ` +
      `max ${delay.maxMs.toFixed(1)} ms; ${levels.join(', ')}`
    );
  });
}

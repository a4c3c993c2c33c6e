/** Reads that are not compared with a Map: keys that are not there, a search on the main thread, a cold page cache. */

import { type LoadResult, percentileMs } from '../../../src/cli/load/result.ts';
import { ColdPageCache } from '../../support/cold-page-cache.ts';
import { runLoad } from '../../support/load.ts';
import { diskBytes } from '../../support/processes.ts';
import { wrk } from '../../support/wrk.ts';
import type { BenchContext } from '../context.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';
import { describeNodes, describeTurn, type Turn, takeTurn } from '../turns.ts';

/** How far back the nodes' loop delay looks. */
const LOOP_DELAY_SECONDS = 70;
/** The share of the slower one's rate, so that both can keep up. */
const RATE_SHARE = 0.6;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function p999Ms({ tally }: LoadResult): number {
  return percentileMs(tally.latency, 99.9);
}

/** Blocks read per GET by the node that reads most: a node sees every GET, or none that counts here. */
function readsPerGet(turn: Turn): number {
  return Math.max(...turn.poolReads.map((reads, node) => reads + turn.mainReads[node])) / turn.requests;
}

export const getAbsent: Figure = {
  name: 'get-absent',
  title: 'GET of keys that are not there but sort between those that are',
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { keys } = await context.data();
    const lsm = await context.lsm();
    // Except for those with one digit less, each sorts between two keys that are there.
    const load = { method: 'GET', keys, suffix: 'x' } as const;
    await wrk(lsm.port, { ...load, seconds: Math.min(5, context.settings.warmUpSeconds) });
    const turn = await takeTurn(lsm, { ...load, seconds: context.settings.seconds, seed: 11 });
    if (turn.errors !== turn.requests) throw new Error('keys that were to be absent were found');
    return [
      {
        what: 'blocks read from disk a GET',
        figure: readsPerGet(turn),
        unit: '',
        bound: { most: 0.02 },
        detail: `${describeTurn(turn)}; every answer is to be 404`,
      },
    ];
  },
};

interface Delays {
  readonly turn: Turn;
  readonly closedMs: number;
  readonly constant: LoadResult;
  readonly constantMs: number;
}

/** The first node's loop delay p99.9, once under wrk and once at a constant rate. */
async function measureDelays(context: BenchContext, engine: string, perSecond: number): Promise<Delays> {
  const { progress, settings } = context;
  const { keys } = await context.data();
  const cluster = await context.only(engine);
  const seconds = settings.isQuick ? settings.seconds : LOOP_DELAY_SECONDS;
  const delayMs = async (): Promise<number> => (await cluster.statuses())[0].eventLoopDelay.p999Ms;
  await wrk(cluster.port, { method: 'GET', keys, seconds: Math.min(10, settings.warmUpSeconds) });
  const turn = await takeTurn(cluster, { method: 'GET', keys, seconds });
  const closedMs = await delayMs();
  progress(`${engine}: loop delay p99.9 ${closedMs} ms at ${describeTurn(turn)}`);
  const rate = Math.round(perSecond > 0 ? perSecond : turn.requestsPerSecond * RATE_SHARE);
  const constantLoad = { method: 'get', perSecond: rate, keys, valueBytes: 0 } as const;
  const constant = await runLoad({ port: cluster.port, seconds, ...constantLoad });
  const constantMs = await delayMs();
  progress(
    `${engine}: loop delay p99.9 ${constantMs} ms at ${rate}/s, latency p99.9 ${p999Ms(constant).toFixed(1)} ms`,
  );
  return { turn, closedMs, constant, constantMs };
}

/** The first node's loop delay p99.9, in ms, while every block comes from the disk. */
async function measureColdDelay(context: BenchContext, engine: string): Promise<number> {
  const { progress, settings } = context;
  const { keys } = await context.data();
  const cluster = await context.only(engine);
  await wrk(cluster.port, { method: 'GET', keys, seconds: Math.min(10, settings.warmUpSeconds) });
  await using _cold = await ColdPageCache.start(context.filledDirectory);
  const seconds = settings.isQuick ? settings.seconds : LOOP_DELAY_SECONDS;
  const turn = await takeTurn(cluster, { method: 'GET', keys, seconds });
  const delayMs = (await cluster.statuses())[0].eventLoopDelay.p999Ms;
  progress(`${engine}, cold: loop delay p99.9 ${delayMs} ms at ${describeTurn(turn)}`);
  return delayMs;
}

export const getOnMain: Figure = {
  name: 'get-on-main',
  title: 'uniform GET with the disk searched on the main thread: loop delay against the pool',
  needs: ['wrk', 'dd', 'fincore'],
  async run(context): Promise<Finding[]> {
    const rounds = context.settings.isQuick ? 1 : 2;
    const pool: Delays[] = [];
    const main: Delays[] = [];
    let perSecond = 0;
    for (let round = 0; round < rounds; round++) {
      main.push(await measureDelays(context, 'lsm-on-main', perSecond));
      perSecond = (main[0].turn.requestsPerSecond * RATE_SHARE) | 0;
      pool.push(await measureDelays(context, 'lsm', perSecond));
    }
    const coldMain = await measureColdDelay(context, 'lsm-on-main');
    const coldPool = await measureColdDelay(context, 'lsm');
    await context.stopClusters();
    const pairs = (of: (delays: Delays) => number): Pick<Finding, 'figure' | 'detail'> => ({
      figure: median(main.map((delays, i) => of(delays) / of(pool[i]))),
      detail: `on main ${main.map(of).map(digits).join(', ')} ms, in the pool ${pool.map(of).map(digits).join(', ')} ms`,
    });
    const rate = (turns: readonly Delays[]): string =>
      digits(median(turns.map(({ turn }) => turn.requestsPerSecond)));
    return [
      {
        what: 'loop delay p99.9 of the first node, main over pool, tables not in the page cache, wrk',
        figure: coldMain / coldPool,
        unit: 'x',
        bound: { least: 1 },
        detail: `on main ${digits(coldMain)} ms, in the pool ${digits(coldPool)} ms`,
      },
      {
        what: 'loop delay p99.9 of the first node, main over pool, wrk',
        ...pairs(({ closedMs }) => closedMs),
        unit: 'x',
        bound: { least: 1 },
      },
      {
        what: `loop delay p99.9 of the first node, main over pool, at ${perSecond}/s`,
        ...pairs(({ constantMs }) => constantMs),
        unit: 'x',
        bound: { least: 1 },
      },
      {
        what: `latency p99.9 from when a GET was due, main over pool, at ${perSecond}/s`,
        ...pairs(({ constant }) => p999Ms(constant)),
        unit: 'x',
      },
      {
        what: 'blocks read a GET when main searches',
        figure: median(main.map(({ turn }) => readsPerGet(turn))),
        unit: '',
        detail: `throughput ${rate(main)}/s on main, ${rate(pool)}/s in the pool`,
      },
    ];
  },
};

export const getCold: Figure = {
  name: 'get-cold',
  title: 'uniform GET with data that is not in memory: tables are dropped from the page cache all the time',
  needs: ['wrk', 'dd', 'fincore'],
  async run(context): Promise<Finding[]> {
    const { progress, settings } = context;
    const { keys } = await context.data();
    const lsm = await context.only('lsm');
    const load = { method: 'GET', keys } as const;
    await wrk(lsm.port, { ...load, seconds: Math.min(5, settings.warmUpSeconds) });
    await using cold = await ColdPageCache.start(context.filledDirectory);
    const before = await cold.residentMib();
    const readBefore = sum(lsm.nodes.map(({ pid }) => diskBytes(pid).read));
    const turn = await takeTurn(lsm, { ...load, seconds: settings.seconds, seed: 3 });
    const read = sum(lsm.nodes.map(({ pid }) => diskBytes(pid).read)) - readBefore;
    const after = await cold.residentMib();
    for (const line of await describeNodes(lsm)) progress(line);
    return [
      {
        what: 'blocks read a GET and node',
        figure: readsPerGet(turn),
        unit: '',
        bound: { most: 1.1 },
        detail:
          `${describeTurn(turn)}; ${digits(read / turn.requests / 1024)} KiB from the disk a GET, all nodes; in the page cache ` +
          `${digits(before)} MiB of tables at the start, ${digits(after)} MiB at the end, of ${digits(await cold.totalMib())} (fincore)`,
      },
      { what: 'throughput', figure: turn.requestsPerSecond, unit: 'GET/s' },
    ];
  },
};

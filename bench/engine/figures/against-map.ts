/** The throughput of the cluster, compared with the same cluster over a Map in memory. */
import { wrk } from '../../support/wrk.ts';
import { type BenchContext, HOT_KEYS } from '../context.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';
import { describeNodes, describeTurns, type Turns, takeTurns } from '../turns.ts';

const LEAST_POOL_SHARE = 0.8;
const LEAST_LEVELS = 3;

async function measure(
  context: BenchContext,
  method: 'GET' | 'PUT',
  keys: number,
): Promise<{ turns: Turns; nodes: string[] }> {
  const { progress, settings } = context;
  const map = await context.map();
  const lsm = await context.lsm();
  for (const line of await describeNodes(lsm)) progress(line);
  progress(`warming up: ${method} over ${keys} keys`);
  await wrk(map.port, { method, keys, seconds: Math.min(settings.warmUpSeconds, 10) });
  await wrk(lsm.port, { method, keys, seconds: settings.warmUpSeconds });
  await lsm.settled();
  const turns = await takeTurns(lsm, map, { method, keys }, settings, progress);
  return { turns, nodes: await describeNodes(lsm) };
}

export const getUniform: Figure = {
  name: 'get-uniform',
  title: 'GET 2/3 over all keys against the Map engine',
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { keys } = await context.data();
    const { turns, nodes } = await measure(context, 'GET', keys);
    const levels = (await (await context.lsm()).statuses()).map(
      ({ engine }) => engine.tablesByLevel.filter((tables) => tables > 0).length,
    );
    // The first node coordinates, so it sees every GET.
    const share = median(turns.ours.map((turn) => turn.poolReads[0] / turn.requests));
    return [
      {
        what: 'throughput',
        figure: turns.ratio,
        unit: 'x',
        bound: { least: 0.45 },
        detail: [describeTurns(turns), ...nodes].join('\n      '),
      },
      {
        what: 'blocks read by the pool a GET, first node',
        figure: share,
        unit: '',
        bound: { least: LEAST_POOL_SHARE },
        detail: `by node ${turns.ours
          .at(-1)
          ?.poolReads.map((reads) => digits(reads))
          .join(', ')} in the last run of ${turns.ours.at(-1)?.requests} GETs`,
      },
      {
        what: 'levels with tables, node with fewest',
        figure: Math.min(...levels),
        unit: '',
        // Data this small does not need three levels.
        ...(context.settings.isQuick ? {} : { bound: { least: LEAST_LEVELS } }),
      },
    ];
  },
};

/** Enough that each key drawn at random has been drawn, except for a few in a thousand. */
const WRITES_A_KEY = 6;

export const getHot: Figure = {
  name: 'get-hot',
  title: `GET 2/3 over key1 … key${HOT_KEYS}, written with 6 to 9 bytes, against the Map engine`,
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const keys = await context.hotKeys();
    for (const cluster of [await context.map(), await context.lsm()]) {
      context.progress(`writing ${keys} keys`);
      for (let written = 0, seed = 1; written < WRITES_A_KEY * keys; seed++) {
        written += (await wrk(cluster.port, { method: 'PUT', keys, seconds: 5, seed })).requests;
      }
      await cluster.settled();
    }
    await context.restartLsm();
    const { turns, nodes } = await measure(context, 'GET', keys);
    const detail = [describeTurns(turns), ...nodes].join('\n      ');
    return [{ what: 'throughput', figure: turns.ratio, unit: 'x', bound: { least: 0.8 }, detail }];
  },
};

export const getHotLarge: Figure = {
  name: 'get-hot-large',
  title: `GET 2/3 over key1 … key${HOT_KEYS} with values of 1 KiB, more than the cache holds, against the Map engine`,
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { turns, nodes } = await measure(context, 'GET', await context.hotKeys());
    const detail = [describeTurns(turns), ...nodes].join('\n      ');
    return [{ what: 'throughput', figure: turns.ratio, unit: 'x', detail }];
  },
};

export const put: Figure = {
  name: 'put',
  title: `PUT 2/3 over key1 … key${HOT_KEYS} against the Map engine`,
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { turns, nodes } = await measure(context, 'PUT', await context.hotKeys());
    const detail = [describeTurns(turns), ...nodes].join('\n      ');
    return [{ what: 'throughput', figure: turns.ratio, unit: 'x', bound: { least: 0.7 }, detail }];
  },
};

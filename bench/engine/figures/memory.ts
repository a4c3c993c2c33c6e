/** Resident memory of a node with default settings under load, for little data and for ten times as much. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { BenchCluster } from '../../support/bench-cluster.ts';
import { residentMib } from '../../support/processes.ts';
import { wrk } from '../../support/wrk.ts';
import { type BenchContext, NODES, VALUE_BYTES } from '../context.ts';
import { prepareData } from '../data.ts';
import { digits, type Figure, type Finding } from '../figure.ts';

const SAMPLE_MS = 250;
const TIMES_AS_MUCH = 10;
/** The runs of each load; there must be enough to fill the caches and the memtables. */
const RUNS = 3;

/** @returns the most memory that each node had while it was under load */
async function measure(context: BenchContext, cluster: BenchCluster, keys: number): Promise<number[]> {
  const { settings } = context;
  const most = cluster.nodes.map(() => 0);
  const timer = setInterval(() => {
    for (const [i, { pid }] of cluster.nodes.entries()) most[i] = Math.max(most[i], residentMib(pid));
  }, SAMPLE_MS);
  try {
    for (let run = 1; run <= RUNS; run++) {
      const { seconds } = settings;
      await wrk(cluster.port, { method: 'GET', keys, seconds, seed: run });
      await wrk(cluster.port, { method: 'PUT', keys, seconds, seed: run, valueBytes: VALUE_BYTES });
      await wrk(cluster.port, { method: 'PUT', keys, seconds, seed: run });
      context.progress(`resident after run ${run}: ${most.map((mib) => digits(mib)).join(', ')} MiB at most`);
    }
  } finally {
    clearInterval(timer);
  }
  return most;
}

export const memory: Figure = {
  name: 'memory',
  title: `resident memory of a node under load, for the data and for ${TIMES_AS_MUCH} times as much`,
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { progress, settings } = context;
    const { keys } = await context.data();
    const small = await measure(context, await context.only('lsm'), keys);
    await context.stopClusters();
    const directory = join(context.directory, 'large');
    const sizeBytes = TIMES_AS_MUCH * settings.sizeBytes;
    const plan = { directory, nodes: NODES, sizeBytes, valueBytes: VALUE_BYTES, isOverwritten: false };
    const large = await prepareData(plan, progress);
    let grown: number[];
    {
      await using cluster = context.adopt(
        await BenchCluster.start({ nodes: NODES, directory, engine: ['lsm'] }),
      );
      grown = await measure(context, cluster, large.keys);
    }
    if (settings.dataDirectory === undefined) rmSync(directory, { recursive: true, force: true });
    const list = (mib: readonly number[]): string =>
      `${mib.map((each) => digits(each)).join(', ')} MiB by node`;
    return [
      {
        what: 'the node that had most',
        figure: Math.max(...small),
        unit: 'MiB',
        bound: { most: 400 },
        detail: list(small),
      },
      {
        what: `the same with ${TIMES_AS_MUCH} times the data`,
        figure: Math.max(...grown),
        unit: 'MiB',
        bound: { most: 400 },
        detail: list(grown),
      },
      {
        what: 'growth',
        figure: Math.max(...grown) / Math.max(...small),
        unit: 'x',
        bound: { most: 1.15 },
      },
    ];
  },
};

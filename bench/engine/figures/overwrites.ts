/** Random overwrites at 60 % of the peak for minutes: evenness, write amplification, room on the disk, loop delay. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { frameBytes } from '../../../native-free-lsm/format/frame.ts';
import { recordSizeBytes } from '../../../native-free-lsm/index.ts';
import { putOperationBytes } from '../../../native-free-lsm/log/write-operation.ts';
import { liveBytes } from '../../../src/cli/fill/keys.ts';
import { percentileMs } from '../../../src/cli/load/result.ts';
import type { BenchCluster, Status } from '../../support/bench-cluster.ts';
import { runLoad } from '../../support/load.ts';
import { diskBytes } from '../../support/processes.ts';
import { wrk } from '../../support/wrk.ts';
import { type BenchContext, HOT_KEYS, VALUE_BYTES } from '../context.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';
import { describeNodes } from '../turns.ts';

const PEAK_SHARE = 0.6;
/** `value1` to `value1000` have 6 to 9, and so many in the mean. */
const SMALL_BYTES = 9;
const MEAN_SMALL_BYTES = 7.9;
/** How far loop delay looks back: after this long, nothing from before the load is in it. */
const LOOP_DELAY_SECONDS = 70;
const POLL_SECONDS = 10;

interface Workload {
  readonly keys: number;
  readonly valueBytes: number;
}

interface Counters {
  readonly tableBytes: number;
  readonly writtenBytes: number;
}

function counters(cluster: BenchCluster, statuses: readonly Status[]): Counters {
  const tables = statuses.map(({ engine }) => (engine.bytesFlushed ?? 0) + (engine.bytesCompacted ?? 0));
  const written = cluster.nodes.map(({ pid }) => diskBytes(pid).written);
  return { tableBytes: sum(tables), writtenBytes: sum(written) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function folderBytes(directory: string): number {
  return sum(readdirSync(directory).map((name) => statSync(join(directory, name)).size));
}

async function measure(context: BenchContext, workload: Workload, live: number): Promise<Finding[]> {
  const { progress, settings } = context;
  const { keys, valueBytes } = workload;
  const cluster = await context.only('lsm');
  const small = valueBytes < VALUE_BYTES;
  const load = { method: 'PUT', keys, ...(small ? {} : { valueBytes }) } as const;
  await wrk(cluster.port, { ...load, seconds: Math.min(10, settings.warmUpSeconds) });
  const peak = await wrk(cluster.port, { ...load, seconds: settings.seconds });
  const perSecond = Math.floor(peak.requestsPerSecond * PEAK_SHARE);
  const seconds = Math.ceil(settings.minutes * 60);
  progress(`peak ${digits(peak.requestsPerSecond)}/s: ${seconds} s at ${perSecond}/s`);
  await cluster.settled();

  const before = counters(cluster, await cluster.statuses());
  const worst = cluster.nodes.map(() => 0);
  const polls: Promise<void>[] = [];
  const poll = async (second: number): Promise<void> => {
    if (second < Math.min(LOOP_DELAY_SECONDS, seconds / 2)) return;
    for (const [node, { eventLoopDelay }] of (await cluster.statuses()).entries()) {
      worst[node] = Math.max(worst[node], eventLoopDelay.p999Ms);
    }
  };
  const result = await runLoad({
    port: cluster.port,
    method: 'put',
    perSecond,
    seconds,
    keys,
    valueBytes: small ? 0 : valueBytes,
    onSecond: (second, answered) => {
      if (second % POLL_SECONDS !== 0) return;
      polls.push(poll(second));
      progress(`second ${second}: ${answered} answers`);
    },
  });
  await Promise.all([...polls, poll(seconds)]);
  progress('waiting for flushes and compactions');
  await cluster.settled();
  const after = counters(cluster, await cluster.statuses());
  for (const line of await describeNodes(cluster)) progress(line);

  const nodes = cluster.nodes.length;
  const { errors, latency, requests: puts } = result.tally;
  // Keys are drawn evenly, so their mean length is that of what was put.
  const keyBytes = liveBytes(keys, 0) / keys;
  const meanValueBytes = small ? MEAN_SMALL_BYTES : valueBytes;
  const userBytes = puts * (keyBytes + meanValueBytes);
  const recordBytes = recordSizeBytes(Math.round(meanValueBytes), false);
  const logBytes = puts * frameBytes(putOperationBytes(Math.round(keyBytes), recordBytes));
  const latencyMs = [50, 99, 99.9, 100].map((percentile) => percentileMs(latency, percentile).toFixed(1));
  const bySecond = result.seconds.slice(1).map(({ requests }) => requests);
  const slowest = Math.min(...bySecond);
  const tables = (after.tableBytes - before.tableBytes) / nodes;
  const written = (after.writtenBytes - before.writtenBytes) / nodes;
  const onDisk = cluster.nodes.map(({ config }) => folderBytes(join(config.dataDirectory, 'engine')));
  const entries = (await cluster.statuses()).map(({ engine }) => engine.estimatedKeys);
  const mib = (bytes: number): string => `${digits(bytes / 2 ** 20)} MiB`;
  return [
    {
      what: 'slowest second against the median second',
      figure: slowest / median(bySecond),
      unit: 'x',
      bound: { least: 0.3 },
      detail: `${slowest} against ${median(bySecond)} answers; latency p50, p99, p99.9 and max ${latencyMs.join(', ')} ms; errors ${errors} of ${puts}${result.faults.map((fault) => `; NOT VALID: ${fault}`).join('')}`,
    },
    {
      what: 'write amplification: tables and log by the engine, over keys and values put',
      figure: (tables + logBytes) / userBytes,
      unit: 'x',
      bound: { most: 15 },
      detail: `a node: ${mib(tables)} of tables, ${mib(logBytes)} of log, ${mib(userBytes)} put`,
    },
    {
      what: 'the same by the kernel (/proc/PID/io)',
      figure: written / userBytes,
      unit: 'x',
      detail: `a node: ${mib(written)}; a sync writes whole pages`,
    },
    {
      what: 'bytes on disk a live byte, largest node',
      figure: Math.max(...onDisk) / live,
      unit: 'x',
      bound: { most: 1.3 },
      detail: `${onDisk.map(mib).join(', ')} for ${mib(live)} of keys and values; entries in tables ${entries.map(digits).join(', ')}`,
    },
    ...worst.map((delayMs, node) => ({
      what: `loop delay p99.9 of node ${node + 1}, worst minute`,
      figure: delayMs,
      unit: 'ms',
      bound: { most: 20 },
    })),
  ];
}

export const overwrites: Figure = {
  name: 'overwrites',
  title: `random overwrites of all keys with values of ${VALUE_BYTES} bytes at 60 % of the peak`,
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { keys } = await context.data();
    return await measure(context, { keys, valueBytes: VALUE_BYTES }, liveBytes(keys, VALUE_BYTES));
  },
};

export const overwritesSmall: Figure = {
  name: 'overwrites-small',
  title: `random overwrites of key1 … key${HOT_KEYS} with values of 6 to 9 bytes at 60 % of the peak`,
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { keys } = await context.data();
    const hot = await context.hotKeys();
    const live = liveBytes(keys, VALUE_BYTES) - liveBytes(hot, VALUE_BYTES) + liveBytes(hot, SMALL_BYTES);
    return await measure(context, { keys: hot, valueBytes: SMALL_BYTES }, live);
  },
};

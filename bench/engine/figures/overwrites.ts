/** Random overwrites at 60 % of the peak for minutes: evenness, write amplification, room on the disk, loop delay. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { frameBytes } from '../../../native-free-lsm/format/frame.ts';
import { recordSizeBytes } from '../../../native-free-lsm/index.ts';
import { putOperationBytes } from '../../../native-free-lsm/log/write-operation.ts';
import { liveBytes } from '../../../src/cli/fill/keys.ts';
import { fillValue } from '../../../src/cli/fill/values.ts';
import { seededRandom } from '../../../src/clock.ts';
import type { BenchCluster, Status } from '../../support/bench-cluster.ts';
import { putRequest, runConstantRate } from '../../support/constant-rate.ts';
import { diskBytes } from '../../support/processes.ts';
import { wrk } from '../../support/wrk.ts';
import { type BenchContext, HOT_KEYS, VALUE_BYTES } from '../context.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';
import { describeNodes } from '../turns.ts';

const PEAK_SHARE = 0.6;
/** 6 to 9 bytes, as `value0` to `value9999` are. */
const SMALL_VALUES = Array.from({ length: 10_000 }, (_, i) => Buffer.from(`value${i}`));
const SMALL_BYTES = 9;
const LARGE_VALUES = Array.from({ length: 256 }, (_, i) => fillValue(3, i, VALUE_BYTES));
/** How far loop delay looks back: after this long, nothing from before the load is in it. */
const LOOP_DELAY_SECONDS = 70;
const POLL_SECONDS = 10;

interface Workload {
  readonly keys: number;
  readonly values: readonly Uint8Array[];
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
  const { keys, values, valueBytes } = workload;
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
  const random = seededRandom(5);
  const worst = cluster.nodes.map(() => 0);
  let userBytes = 0;
  let logBytes = 0;
  let puts = 0;
  const polls: Promise<void>[] = [];
  const poll = async (second: number): Promise<void> => {
    if (second < Math.min(LOOP_DELAY_SECONDS, seconds / 2)) return;
    for (const [node, { eventLoopDelay }] of (await cluster.statuses()).entries()) {
      worst[node] = Math.max(worst[node], eventLoopDelay.p999Ms);
    }
  };
  const result = await runConstantRate({
    port: cluster.port,
    perSecond,
    seconds,
    next: () => {
      const key = `key${1 + Math.floor(random() * keys)}`;
      const value = values[puts++ % values.length];
      userBytes += key.length + value.length;
      logBytes += frameBytes(putOperationBytes(key.length, recordSizeBytes(value.length, false)));
      return putRequest(key, value);
    },
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
  const bySecond = result.answeredBySecond.slice(1);
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
      detail: `${slowest} against ${median(bySecond)} answers; latency p50 ${result.p50Ms.toFixed(1)} p99 ${result.p99Ms.toFixed(1)} p99.9 ${result.p999Ms.toFixed(1)} max ${result.maxMs.toFixed(1)} ms; errors ${result.errors} of ${result.answered}`,
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
    const workload = { keys, values: LARGE_VALUES, valueBytes: VALUE_BYTES };
    return await measure(context, workload, liveBytes(keys, VALUE_BYTES));
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
    return await measure(context, { keys: hot, values: SMALL_VALUES, valueBytes: SMALL_BYTES }, live);
  },
};

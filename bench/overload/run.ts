/**
 * `npm run bench:overload`: goodput, errors and memory of a cluster that is asked for more than it can do. The method
 * is in bench/README.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';

import os, { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { formatSize } from '../../src/config/units.ts';
import { count, positive, script, sizeBytes } from '../../test/support/script-flags.ts';
import { describeFinding, isReached } from '../engine/figure.ts';
import { BenchCluster } from '../support/bench-cluster.ts';
import { checkNeeds } from '../support/needs.ts';
import { fillKeys } from './fill.ts';
import { type Load, METHODS, type Method } from './load.ts';
import { measure, type Row } from './measure.ts';
import { describeRow, ROW_TITLES, verdicts } from './report.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const NODES = 3;
const SIZES = [100, 4 * KIB, 64 * KIB, MIB, 16 * MIB];
const CONNECTIONS = [8, 64, 512, 2000];
const QUICK_SIZES = [100, MIB];
const QUICK_CONNECTIONS = [8, 64];
/** There are as many keys of one size as have this many bytes, but at most `MAX_KEYS`. */
const DATA_BYTES = 256 * MIB;
const MAX_KEYS = 100_000;
const SCAN_BYTES = 4 * MIB;
const MAX_SCAN_ENTRIES = 10_000;
/** For larger values the nodes are started again with a higher limit. */
const DEFAULT_MAX_VALUE_BYTES = MIB;
const DEADLINE_MS = 1000;
/** Scans have no deadline of their own; this is how long a client of the benchmark waits. */
const SCAN_DEADLINE_MS = 10_000;

interface Flags {
  readonly quick: boolean;
  readonly methods: readonly Method[];
  readonly sizes?: readonly number[];
  readonly connections?: readonly number[];
  readonly rate: number;
  readonly heedRetryAfter: boolean;
  readonly fresh: number;
  readonly seconds?: number;
  readonly warmUp?: number;
  readonly data?: string;
  readonly json?: string;
}

const flags = script(
  'bench:overload',
  'Goodput, errors and memory of three nodes under more than they can do: value sizes × connections × PUT, GET, SCAN.',
)
  .option('--quick', 'few sizes, few connections, short runs: tries the harness', false)
  .option('--methods <names>', 'of PUT, GET and SCAN, separated by commas', methodsOf, METHODS)
  .option('--sizes <sizes>', 'of values (100,4KiB,64KiB,1MiB,16MiB; quick: 100,1MiB)', listOf(sizeBytes))
  .option('--connections <numbers>', 'that ask at the same time (8,64,512,2000; quick: 8,64)', listOf(count))
  .option(
    '--rate <n>',
    'requests a second that are offered at most, over all connections; 0: no limit',
    whole,
    0,
  )
  .option(
    '--heed-retry-after',
    'refused clients wait as long as they are asked to, instead of coming back at once',
    false,
  )
  .option('--fresh <n>', 'connections a second that are opened beside the load', positive, 20)
  .option('--seconds <n>', 'of each run (5; quick: 2)', positive)
  .option('--warm-up <n>', 'seconds before anything counts (2; quick: 1)', positive)
  .option('--data <dir>', 'keeps the data there')
  .option('--json <file>', 'writes the results there as well')
  .parse()
  .opts<Flags>();

function listOf<T>(parse: (text: string) => T): (text: string) => readonly T[] {
  return (text) => text.split(',').map((part) => parse(part.trim()));
}

function methodsOf(text: string): readonly Method[] {
  return text.split(',').map((name) => {
    const method = METHODS.find((known) => known === name.trim().toUpperCase());
    if (method === undefined) throw new InvalidArgumentError(`There is no ${name}: ${METHODS.join(', ')}.`);
    return method;
  });
}

function whole(text: string): number {
  return text === '0' ? 0 : count(text);
}

function progress(message: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${message}`);
}

function loadOf(port: number, method: Method, valueBytes: number, connections: number): Load {
  return {
    port,
    method,
    connections,
    ratePerSecond: flags.rate,
    heedsRetryAfter: flags.heedRetryAfter,
    valueBytes,
    keys: Math.max(16, Math.min(MAX_KEYS, Math.floor(DATA_BYTES / valueBytes))),
    scanEntries: Math.max(2, Math.min(MAX_SCAN_ENTRIES, Math.floor(SCAN_BYTES / valueBytes))),
    deadlineMs: method === 'SCAN' ? SCAN_DEADLINE_MS : DEADLINE_MS,
    warmUpSeconds: flags.warmUp ?? (flags.quick ? 1 : 2),
    seconds: flags.seconds ?? (flags.quick ? 2 : 5),
  };
}

async function runSizes(directory: string, sizes: readonly number[], rows: Row[]): Promise<void> {
  const largest = Math.max(...sizes);
  const isLarge = largest > DEFAULT_MAX_VALUE_BYTES;
  const settings = isLarge ? { maxValueBytes: largest, memtableBytes: 2 * largest } : {};
  await using cluster = await BenchCluster.start({ nodes: NODES, directory, engine: ['lsm'], settings });
  const connections = flags.connections ?? (flags.quick ? QUICK_CONNECTIONS : CONNECTIONS);
  for (const valueBytes of sizes) {
    if (flags.methods.some((method) => method !== 'PUT')) {
      progress(`writing values of ${formatSize(valueBytes)} to read`);
      await fill(cluster, valueBytes);
    }
    for (const method of flags.methods) {
      for (const number of connections) {
        progress(`${method} of ${formatSize(valueBytes)} over ${number} connections`);
        await cluster.settled();
        const row = await measure(cluster, loadOf(cluster.port, method, valueBytes, number), flags.fresh);
        rows.push(row);
        progress('');
        console.log(describeRow(row));
      }
    }
  }
}

async function fill(cluster: BenchCluster, valueBytes: number): Promise<void> {
  const { keys } = loadOf(cluster.port, 'PUT', valueBytes, 1);
  await fillKeys(cluster.port, valueBytes, keys);
}

async function main(): Promise<void> {
  await checkNeeds(new Set());
  const sizes = flags.sizes ?? (flags.quick ? QUICK_SIZES : SIZES);
  const directory =
    flags.data === undefined ? mkdtempSync(join(tmpdir(), 'quorate-overload-')) : resolve(flags.data);
  const rows: Row[] = [];
  const removeData = (): void => {
    if (flags.data === undefined) rmSync(directory, { recursive: true, force: true });
  };
  // The nodes and the loads end with this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      removeData();
      process.exit(130);
    });
  }
  try {
    console.log(ROW_TITLES);
    // Nodes that take the largest values need more memory than those with the defaults, so each has rows of its own.
    const isDefault = (size: number): boolean => size <= DEFAULT_MAX_VALUE_BYTES;
    for (const group of [sizes.filter(isDefault), sizes.filter((size) => !isDefault(size))]) {
      if (group.length > 0) await runSizes(join(directory, `${Math.max(...group)}`), group, rows);
    }
  } finally {
    progress('');
    removeData();
  }
  const findings = verdicts(rows);
  for (const finding of findings) console.log(describeFinding(finding));
  if (flags.json !== undefined) {
    const machine = { node: process.version, cpu: os.cpus()[0]?.model, cores: os.availableParallelism() };
    writeFileSync(flags.json, `${JSON.stringify({ machine, rows, findings }, null, 2)}\n`);
  }
  if (findings.some((finding) => isReached(finding) === false)) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(`bench:overload: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

/**
 * `npm run bench:consistency`: what `consistency=linearizable` costs PUT and GET against the default, on the same nodes,
 * in turns. The method is in bench/README.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { percentileMs } from '../../src/cli/load/result.ts';
import { count, positive, script } from '../../test/support/script-flags.ts';
import { digits, median } from '../engine/figure.ts';
import { table } from '../micro/tables.ts';
import { BenchCluster } from '../support/bench-cluster.ts';
import { type BenchRow, writeBenchFile } from '../support/bench-file.ts';
import { runLoad } from '../support/load.ts';
import { checkNeeds } from '../support/needs.ts';

const NODES = 3;
/** So few that a second of PUTs writes most of them, and a GET finds what it asks for. */
const KEYS = 10_000;
const METHODS = ['put', 'get'] as const;
const CONSISTENCIES = ['default', 'linearizable'] as const;
/** What the p50 of a linearizable request is to be at most, against that of an ordinary one. */
const BOUNDS = { put: 1.6, get: 1.1 } as const;

type Method = (typeof METHODS)[number];
type Consistency = (typeof CONSISTENCIES)[number];

interface Flags {
  readonly quick: boolean;
  readonly seconds?: number;
  readonly rounds?: number;
  readonly rate: number;
  readonly json?: string;
}

const flags = script(
  'bench:consistency',
  'PUT and GET with consistency=linearizable against the default, through the same three nodes, in turns.',
)
  .option('--quick', 'a second for each load: tries the harness, its figures mean nothing', false)
  .option('--seconds <n>', 'of each load (4; quick: 1)', positive)
  .option('--rounds <n>', 'pairs of loads (5; quick: 1)', count)
  .option('--rate <n>', 'requests a second where latencies are measured', count, 1_000)
  .option('--json <file>', 'writes the figures there as well')
  .parse()
  .opts<Flags>();
const { quick: isQuick, rate, seconds = isQuick ? 1 : 4, rounds = isQuick ? 1 : 5 } = flags;

interface Turn {
  readonly requestsPerSecond: number;
  /** Of all threads of all nodes, for each request. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What the turns of one kind of request have come to: medians. */
interface Row extends BenchRow, Turn {
  readonly method: Method;
  readonly consistency: Consistency;
  /** 0: a closed loop. */
  readonly perSecond: number;
}

async function takeTurn(
  cluster: BenchCluster,
  method: Method,
  consistency: Consistency,
  perSecond: number,
): Promise<Turn> {
  const before = cluster.cpuSeconds();
  const load = { port: cluster.port, method, consistency, perSecond, seconds, keys: KEYS, valueBytes: 0 };
  const { faults, requestsPerSecond, tally } = await runLoad(load);
  const cpuSeconds = cluster.cpuSeconds() - before;
  for (const fault of faults) console.log(`NOT VALID: ${fault}`);
  if (tally.errors > 0) throw new Error(`${tally.errors} of ${tally.requests} requests failed`);
  // What a turn has left to flush and to compact is not to fall into the next.
  await cluster.settled();
  return {
    requestsPerSecond,
    cpuMicros: (cpuSeconds / tally.requests) * 1e6,
    p50Ms: percentileMs(tally.latency, 50),
    p99Ms: percentileMs(tally.latency, 99),
  };
}

async function measure(cluster: BenchCluster, method: Method, perSecond: number): Promise<Row[]> {
  const turns: Record<Consistency, Turn[]> = { default: [], linearizable: [] };
  // The first pair makes the code hot, and for GET the data is there: it is not counted.
  for (let round = isQuick ? 1 : 0; round <= rounds; round++) {
    // Each pair begins with another, so that neither always comes after the other.
    for (const consistency of round % 2 === 0 ? CONSISTENCIES : CONSISTENCIES.toReversed()) {
      const turn = await takeTurn(cluster, method, consistency, perSecond);
      if (round > 0) turns[consistency].push(turn);
    }
  }
  const of = (consistency: Consistency, figure: (turn: Turn) => number): number =>
    median(turns[consistency].map(figure));
  return CONSISTENCIES.map((consistency) => ({
    method,
    consistency,
    perSecond,
    requestsPerSecond: of(consistency, (turn) => turn.requestsPerSecond),
    cpuMicros: of(consistency, (turn) => turn.cpuMicros),
    p50Ms: of(consistency, (turn) => turn.p50Ms),
    p99Ms: of(consistency, (turn) => turn.p99Ms),
  }));
}

function describe(rows: readonly Row[]): string {
  const lines: string[][] = [];
  for (const ordinary of rows.filter(({ consistency }) => consistency === 'default')) {
    const { method, perSecond } = ordinary;
    const other = rows.find(
      (row) => row.consistency === 'linearizable' && row.method === method && row.perSecond === perSecond,
    );
    if (other === undefined) continue;
    const ratio = other.p50Ms / ordinary.p50Ms;
    lines.push([
      `${method.toUpperCase()} ${perSecond === 0 ? 'closed loop' : `at ${perSecond}/s`}`,
      digits(ordinary.p50Ms),
      digits(other.p50Ms),
      `${digits(ratio)} x${perSecond === 0 ? '' : ratio <= BOUNDS[method] ? ' (reached)' : ` (above ${BOUNDS[method]})`}`,
      digits(ordinary.p99Ms),
      digits(other.p99Ms),
      digits(ordinary.requestsPerSecond),
      digits(other.requestsPerSecond),
      `${digits(other.cpuMicros / ordinary.cpuMicros)} x`,
    ]);
  }
  const head = [
    '',
    'p50 ms',
    'linearizable',
    'p50 ratio',
    'p99 ms',
    'linearizable',
    'req/s',
    'linearizable',
    'CPU a request',
  ];
  return table(head, lines);
}

async function main(): Promise<void> {
  await checkNeeds(new Set());
  const directory = mkdtempSync(join(tmpdir(), 'quorate-consistency-'));
  // The nodes end with this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, { recursive: true, force: true });
      process.exit(130);
    });
  }
  try {
    console.log(`${NODES} nodes, quorum 2 of 3, 64 connections, ${os.availableParallelism()} cores`);
    await using cluster = await BenchCluster.start({ nodes: NODES, directory, engine: ['lsm'] });
    const rows: Row[] = [];
    for (const method of METHODS)
      for (const perSecond of [rate, 0]) rows.push(...(await measure(cluster, method, perSecond)));
    console.log(describe(rows));
    if (flags.json !== undefined) writeBenchFile(flags.json, rows);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench:consistency: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

/**
 * `npm run bench:peers`: PUT and GET through nodes that ask each other over RPC, and through nodes that do it over HTTP,
 * in turns. The method is in bench/README.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { percentileMs } from '../../src/cli/load/result.ts';
import type { NodeSettings } from '../../src/config.ts';
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
const PROTOCOLS = ['rpc', 'http'] as const satisfies readonly NodeSettings['peerProtocol'][];
/** The length of values written; 0 is 6 to 9 bytes, as everywhere in the benchmarks. */
const VALUES = { small: 0, '4KiB': 4_096 } as const;

type Protocol = (typeof PROTOCOLS)[number];
type Value = keyof typeof VALUES;

interface Flags {
  readonly quick: boolean;
  readonly seconds?: number;
  readonly rounds?: number;
  readonly json?: string;
}

const flags = script(
  'bench:peers',
  'PUT and GET through three nodes that ask each other over RPC, against three that do it over HTTP, in turns.',
)
  .option(
    '--quick',
    'small values, a second for each load: tries the harness, its figures mean nothing',
    false,
  )
  .option('--seconds <n>', 'of each load (3; quick: 1)', positive)
  .option('--rounds <n>', 'pairs of loads (3; quick: 1)', count)
  .option('--json <file>', 'writes the figures there as well')
  .parse()
  .opts<Flags>();
const { quick: isQuick, seconds = isQuick ? 1 : 3, rounds = isQuick ? 1 : 3 } = flags;

interface Turn {
  readonly requestsPerSecond: number;
  /** Of all threads of all nodes, for each request. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What the turns of one setting have come to: medians. */
interface Row extends BenchRow {
  readonly protocol: Protocol;
  readonly method: (typeof METHODS)[number];
  readonly value: Value;
  readonly requestsPerSecond: number;
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

type Clusters = Readonly<Record<Protocol, BenchCluster>>;

async function takeTurn(cluster: BenchCluster, method: Row['method'], valueBytes: number): Promise<Turn> {
  const before = cluster.cpuSeconds();
  const load = { port: cluster.port, method, perSecond: 0, seconds, keys: KEYS, valueBytes };
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

async function measure(clusters: Clusters, method: Row['method'], value: Value): Promise<Row[]> {
  const turns: Record<Protocol, Turn[]> = { rpc: [], http: [] };
  // The first pair makes the code hot, and for GET the data is there: it is not counted.
  for (let round = isQuick ? 1 : 0; round <= rounds; round++) {
    // Each pair begins with another, so that neither always comes after the other.
    for (const protocol of round % 2 === 0 ? PROTOCOLS : PROTOCOLS.toReversed()) {
      const turn = await takeTurn(clusters[protocol], method, VALUES[value]);
      if (round > 0) turns[protocol].push(turn);
    }
  }
  const of = (protocol: Protocol, figure: (turn: Turn) => number): number =>
    median(turns[protocol].map(figure));
  return PROTOCOLS.map((protocol) => ({
    protocol,
    method,
    value,
    requestsPerSecond: of(protocol, (turn) => turn.requestsPerSecond),
    cpuMicros: of(protocol, (turn) => turn.cpuMicros),
    p50Ms: of(protocol, (turn) => turn.p50Ms),
    p99Ms: of(protocol, (turn) => turn.p99Ms),
  }));
}

function describe(rows: readonly Row[]): string {
  const lines: string[][] = [];
  for (const rpc of rows.filter(({ protocol }) => protocol === 'rpc')) {
    const http = rows.find(
      (row) => row.protocol === 'http' && row.method === rpc.method && row.value === rpc.value,
    );
    if (http === undefined) continue;
    lines.push([
      `${rpc.method.toUpperCase()} ${rpc.value}`,
      digits(rpc.requestsPerSecond),
      digits(http.requestsPerSecond),
      `${digits(http.requestsPerSecond / rpc.requestsPerSecond)} x`,
      digits(rpc.cpuMicros),
      digits(http.cpuMicros),
      `${digits(http.cpuMicros / rpc.cpuMicros)} x`,
      digits(rpc.p99Ms),
      digits(http.p99Ms),
    ]);
  }
  const head = [
    '',
    'rpc/s',
    'http/s',
    'http/rpc',
    'rpc CPU µs',
    'http CPU µs',
    'http/rpc',
    'rpc p99 ms',
    'http p99 ms',
  ];
  return table(head, lines);
}

async function main(): Promise<void> {
  await checkNeeds(new Set());
  const directory = mkdtempSync(join(tmpdir(), 'quorate-peers-'));
  // The nodes end with this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, { recursive: true, force: true });
      process.exit(130);
    });
  }
  const start = (peerProtocol: Protocol): Promise<BenchCluster> =>
    BenchCluster.start({
      nodes: NODES,
      directory: join(directory, peerProtocol),
      engine: ['lsm'],
      settings: { peerProtocol },
    });
  try {
    console.log(`${NODES} nodes, quorum 2 of 3, 64 connections, ${os.availableParallelism()} cores`);
    await using rpc = await start('rpc');
    await using http = await start('http');
    const rows: Row[] = [];
    const values = isQuick ? (['small'] as const) : (Object.keys(VALUES) as Value[]);
    for (const value of values)
      for (const method of METHODS) rows.push(...(await measure({ rpc, http }, method, value)));
    console.log(describe(rows));
    if (flags.json !== undefined) writeBenchFile(flags.json, rows);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench:peers: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

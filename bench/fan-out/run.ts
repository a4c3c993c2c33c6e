/**
 * `npm run bench:fan-out`: a write sent once by multicast, against the same bytes sent to each peer over its
 * connection. The method is in bench/README.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count, positive, script } from '../../test/support/script-flags.ts';
import { digits, median } from '../engine/figure.ts';
import { BenchCluster } from '../support/bench-cluster.ts';
import { type BenchRow, writeBenchFile } from '../support/bench-file.ts';
import { checkNeeds } from '../support/needs.ts';
import { type FanOutTurn, takeFanOutTurn } from './turn.ts';

const FAN_OUTS = ['unicast', 'multicast'] as const;
type FanOut = (typeof FAN_OUTS)[number];

const KIB = 1_024;
const SIZES: readonly { readonly name: string; readonly bytes: number }[] = [
  { name: '10 B', bytes: 10 },
  { name: '100 B', bytes: 100 },
  { name: '1 KiB', bytes: KIB },
  { name: '8 KiB', bytes: 8 * KIB },
];
/** The first load of a cluster finds code that is not compiled yet. */
const WARM_UP_BYTES = 100;

interface Flags {
  readonly quick: boolean;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly json?: string;
}

const flags = script(
  'bench:fan-out',
  'Writes to clusters of three and five nodes: each sent to every peer, against sent once by IP multicast.',
)
  .option('--quick', 'three nodes, the smallest and the largest values, half a second for each load', false)
  .option('--rounds <n>', 'pairs of runs (4; quick: 1)', count)
  .option('--seconds <n>', 'of each load (1.5; quick: 0.5)', positive)
  .option('--json <file>', 'writes the figures there as well')
  .parse()
  .opts<Flags>();
const rounds = flags.rounds ?? (flags.quick ? 1 : 4);
const seconds = flags.seconds ?? (flags.quick ? 0.5 : 1.5);
const clusterSizes = flags.quick ? [3] : [3, 5];
const sizes = flags.quick ? [SIZES[0], SIZES[3]] : SIZES;

type Turns = Record<FanOut, FanOutTurn[]>;

async function measureClusters(nodes: number, directory: string, rows: BenchRow[]): Promise<void> {
  await using unicast = await startCluster(nodes, join(directory, `unicast-${nodes}`), 'unicast');
  await using multicast = await startCluster(nodes, join(directory, `multicast-${nodes}`), 'multicast');
  const clusters: Record<FanOut, BenchCluster> = { unicast, multicast };
  for (const cluster of [unicast, multicast]) await takeFanOutTurn(cluster, WARM_UP_BYTES, seconds);
  for (const { name, bytes } of sizes) {
    const turns: Turns = { unicast: [], multicast: [] };
    for (let round = 0; round < rounds; round++) {
      // Neither is always the one that the other has left its traces to.
      for (const fanOut of round % 2 === 0 ? FAN_OUTS : FAN_OUTS.toReversed())
        turns[fanOut].push(await takeFanOutTurn(clusters[fanOut], bytes, seconds));
    }
    for (const fanOut of FAN_OUTS) {
      const row = rowOf(fanOut, `${nodes}`, name, turns[fanOut]);
      rows.push(row);
      console.log(describeRow(row, turns[fanOut]));
    }
    console.log(describeRatios(turns));
  }
}

async function startCluster(nodes: number, directory: string, fanOut: FanOut): Promise<BenchCluster> {
  const cluster = await BenchCluster.start({ nodes, directory, engine: ['lsm'], settings: { fanOut } });
  const isOpen = (await cluster.statuses()).every(({ multicast }) => multicast?.isOpen === true);
  if (fanOut === 'unicast' || isOpen) return cluster;
  await cluster[Symbol.asyncDispose]();
  throw new Error('this machine carries no multicast on loopback, so there is nothing to compare');
}

function rowOf(fanOut: FanOut, nodes: string, size: string, turns: readonly FanOutTurn[]): BenchRow {
  const of = (figure: (turn: FanOutTurn) => number): number => median(turns.map(figure));
  return {
    fanOut,
    nodes,
    size,
    putsPerSecond: of((turn) => turn.putsPerSecond),
    cpuMicros: of((turn) => turn.cpuMicros),
    p50Ms: of((turn) => turn.p50Ms),
    p99Ms: of((turn) => turn.p99Ms),
    datagramShare: of((turn) => turn.datagramShare),
    resentShare: of((turn) => turn.resentShare),
    writesPerDatagram: of((turn) => turn.writesPerDatagram),
    errors: turns.reduce((sum, turn) => sum + turn.errors, 0),
  };
}

function describeRow(row: BenchRow, turns: readonly FanOutTurn[]): string {
  const figure = (name: string): string => digits(Number(row[name]));
  const percent = (name: string): string => `${digits(Number(row[name]) * 100)} %`;
  const datagrams =
    row.fanOut === 'unicast'
      ? ''
      : `; ${percent('datagramShare')} by datagram, ${figure('writesPerDatagram')} writes in each, ${percent('resentShare')} sent again`;
  const faults = turns.flatMap((turn) => turn.faults.map((fault) => `\nNOT VALID: ${fault}`)).join('');
  return (
    `${row.nodes} nodes, ${row.size}, ${row.fanOut}: ${figure('putsPerSecond')} PUT/s, ` +
    `${figure('cpuMicros')} µs CPU a PUT, p50 ${figure('p50Ms')} p99 ${figure('p99Ms')} ms${datagrams}, ` +
    `errors ${row.errors}${faults}`
  );
}

/** Medians of the pairs' ratios. */
function describeRatios({ unicast, multicast }: Turns): string {
  const ratio = (figure: (turn: FanOutTurn) => number): string =>
    digits(median(multicast.map((turn, round) => figure(turn) / figure(unicast[round]))));
  return (
    `  multicast over unicast: PUT/s ${ratio((turn) => turn.putsPerSecond)} x, ` +
    `CPU ${ratio((turn) => turn.cpuMicros)} x, p50 ${ratio((turn) => turn.p50Ms)} x, ` +
    `p99 ${ratio((turn) => turn.p99Ms)} x`
  );
}

async function main(): Promise<void> {
  await checkNeeds(new Set());
  const directory = mkdtempSync(join(tmpdir(), 'quorate-fan-out-'));
  const rows: BenchRow[] = [];
  // The nodes end with this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, { recursive: true, force: true });
      process.exit(130);
    });
  }
  try {
    console.log(`${rounds} rounds of ${seconds} s, ${os.availableParallelism()} cores`);
    for (const nodes of clusterSizes) await measureClusters(nodes, directory, rows);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  if (flags.json !== undefined) writeBenchFile(flags.json, rows);
}

try {
  await main();
} catch (error) {
  console.error(`bench:fan-out: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

/**
 * `npm run bench:zones`: replicas of a key in one zone (`near`) against one in each (`spread`), with a delay between
 * zones, and what the loss of a zone costs each. The method is in bench/README.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Preparation } from '../../src/cli/load/prepare.ts';
import { seededRandom, systemClock } from '../../src/clock.ts';
import { count, positive, script } from '../../test/support/script-flags.ts';
import { type BenchRow, writeBenchFile } from '../support/bench-file.ts';
import { checkNeeds } from '../support/needs.ts';
import { describeRatios, describeRow, ROW_TITLES, type ZoneRow } from './report.ts';
import { POLICIES, ZONES, ZoneCluster } from './zone-cluster.ts';
import { KEYS, QUORUM, runZoneLoad, zonePlan } from './zone-load.ts';

/** Its nodes are asked by nobody, as they could not answer afterwards. */
const LOST_ZONE = ZONES - 1;
const LEFT_ZONES = Array.from({ length: ZONES }, (_, zone) => zone).filter((zone) => zone !== LOST_ZONE);
/** Until a peer without a sign of life counts as down; no load that is to meet this may be longer. */
const UNNOTICED_MS = 3_000;

interface Flags {
  readonly quick: boolean;
  readonly delayMs: number;
  readonly rate: number;
  readonly seconds?: number;
  readonly json?: string;
}

const flags = script(
  'bench:zones',
  'Placement near against spread: nine nodes in three zones with a delay between them, and one zone lost.',
)
  .option('--quick', 'a second for each load: tries the harness', false)
  .option('--delay-ms <n>', 'one way, between zones', positive, 20)
  .option('--rate <n>', 'requests a second, half of them GETs', count, 100)
  .option('--seconds <n>', 'of each load (10; quick: 1)', positive)
  .option('--json <file>', 'writes the figures there as well')
  .parse()
  .opts<Flags>();
const durationMs = (flags.seconds ?? (flags.quick ? 1 : 10)) * 1_000;

async function measure(policy: ZoneRow['policy'], directory: string, rows: ZoneRow[]): Promise<void> {
  await using cluster = await ZoneCluster.start(policy, directory, flags.delayMs);
  const left = cluster.portsOf(LEFT_ZONES);
  const run = async (zones: ZoneRow['zones'], clients: ZoneRow['clients'], ms: number): Promise<void> => {
    const figures = await runZoneLoad(
      zonePlan(clients === 'one node' ? left.slice(0, 1) : left, flags.rate, ms),
    );
    for (const fault of figures.faults) console.log(`NOT VALID: ${fault}`);
    const row = { policy, zones, clients, ...figures };
    rows.push(row);
    console.log(describeRow(row));
  };
  const keys = zonePlan(left, flags.rate, durationMs);
  await new Preparation(keys, systemClock, seededRandom(keys.seed)).run(new AbortController().signal);
  await run('all', 'one node', durationMs);
  await run('all', 'every node', durationMs);
  cluster.lose(LOST_ZONE);
  await run('one going', 'every node', Math.min(durationMs, UNNOTICED_MS));
  await cluster.lossNoticed(LOST_ZONE);
  await run('one lost', 'one node', durationMs);
  await run('one lost', 'every node', durationMs);
  const share = cluster.shareOfKeysWith(QUORUM.ack, LEFT_ZONES, QUORUM.from, KEYS);
  console.log(`${policy}: ${(share * 100).toFixed(1)} % of the keys have a quorum outside the lost zone`);
}

function benchRows(rows: readonly ZoneRow[]): BenchRow[] {
  return rows.flatMap(({ clients, methods, notEnoughReplicas, otherErrors, policy, zones }) =>
    methods.map(({ method, ...ofMethod }) => ({
      policy,
      zones,
      clients,
      method,
      ...ofMethod,
      notEnoughReplicas,
      otherErrors,
    })),
  );
}

async function main(): Promise<void> {
  await checkNeeds(new Set());
  const directory = mkdtempSync(join(tmpdir(), 'quorate-zones-'));
  const rows: ZoneRow[] = [];
  // The nodes end with this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, { recursive: true, force: true });
      process.exit(130);
    });
  }
  try {
    console.log(
      `${flags.delayMs} ms one way between zones, ${flags.rate} requests a second, ${QUORUM.ack} of ${QUORUM.from}, ${os.availableParallelism()} cores`,
    );
    console.log(ROW_TITLES);
    for (const policy of POLICIES) await measure(policy, join(directory, policy), rows);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  for (const line of describeRatios(rows)) console.log(line);
  if (flags.json !== undefined) writeBenchFile(flags.json, benchRows(rows));
}

try {
  await main();
} catch (error) {
  console.error(`bench:zones: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

/**
 * `npm run bench:accumulator`: the freshest answer kept up to date by each answer, against slots that the last answer
 * that is needed looks through once; in one thread, and with the answers coming from several. The method is in
 * bench/README.md.
 */
import { availableParallelism, cpus } from 'node:os';
import { count, script } from '../../../test/support/script-flags.ts';
import { type BenchRow, writeBenchFile } from '../../support/bench-file.ts';
import { caseName, cases } from '../cases/accumulator.ts';
import { measureRounds } from '../rounds.ts';
import { median } from '../statistics.ts';
import { table } from '../tables.ts';
import { REPLICAS, VERSIONS, type Versions, WAYS, type Way } from './answers.ts';
import { type Contended, measureContended, THREADS } from './contention.ts';

const CASES_FILE = 'accumulator.ts';
const TIME_MS = 500;
const ANSWERS = 200_000;
const QUICK_SHARE = 20;

const flags: { readonly rounds: number; readonly quick?: true; readonly json?: string } = script(
  'bench:accumulator',
  'Two ways to find the freshest of the answers of replicas, in one thread and from several.',
)
  .option(
    '--rounds <n>',
    'over everything, so that a busy minute of the machine falls on all of it',
    count,
    5,
  )
  .option('--quick', 'seconds instead of a minute: tries the harness, its figures mean nothing')
  .option('--json <file>', 'where the rows are written')
  .parse()
  .opts();

interface Setting {
  readonly versions: Versions;
  readonly replicas: number;
  readonly threads: number;
}

/** What one setting has come to, as it is written to the file. */
interface Row extends BenchRow {
  readonly memory: 'own' | 'shared';
  readonly threads: string;
  readonly versions: Versions;
  readonly replicas: string;
  /** For each answer. */
  readonly arrivalNs: number;
  readonly slotsNs: number;
  readonly slotsOverArrival: number;
  /** Exchanges that another thread had forestalled, over a thousand answers; null: nothing is exchanged. */
  readonly retriesPerThousand: number | null;
}

const share = flags.quick ? QUICK_SHARE : 1;

function settingsOf(threads: number): Setting[] {
  return VERSIONS.flatMap((versions) => REPLICAS.map((replicas) => ({ versions, replicas, threads })));
}

function rowOf(
  memory: Row['memory'],
  { replicas, threads, versions }: Setting,
  { arrival, slots }: Readonly<Record<Way, number>>,
  retriesPerThousand: number | null,
): Row {
  return {
    memory,
    threads: `${threads}`,
    versions,
    replicas: `${replicas}`,
    arrivalNs: arrival,
    slotsNs: slots,
    slotsOverArrival: slots / arrival,
    retriesPerThousand,
  };
}

async function inOneThread(): Promise<Row[]> {
  const found = cases.map((microCase) => ({ file: CASES_FILE, microCase }));
  const figures = await measureRounds(found, flags.rounds, TIME_MS / share);
  const ns = (way: Way, { replicas, versions }: Setting): number =>
    figures.find(({ name }) => name === caseName(way, replicas, versions))?.nsPerOperation ?? Number.NaN;
  return settingsOf(1).map((setting) =>
    rowOf('own', setting, { arrival: ns('arrival', setting), slots: ns('slots', setting) }, null),
  );
}

/** The ways in turns, so that both have the same neighbours. */
async function fromSeveral(): Promise<Row[]> {
  const measured = THREADS.flatMap(settingsOf).map((setting) => ({
    setting,
    rounds: { arrival: [] as Contended[], slots: [] as Contended[] },
  }));
  for (let round = 0; round < flags.rounds; round++) {
    for (const { rounds, setting } of measured) {
      const { replicas, threads, versions } = setting;
      for (const way of WAYS)
        rounds[way].push(await measureContended(way, versions, replicas, threads, ANSWERS / share));
    }
  }
  return measured.map(({ rounds, setting }) => {
    const { arrival, slots } = rounds;
    const [retries, answers] = [sumOf(arrival, 'retries'), sumOf(arrival, 'answers')];
    return rowOf(
      'shared',
      setting,
      { arrival: nsOf(arrival), slots: nsOf(slots) },
      (1_000 * retries) / answers,
    );
  });
}

function nsOf(rounds: readonly Contended[]): number {
  return median(rounds.map(({ nsPerAnswer }) => nsPerAnswer));
}

function sumOf(rounds: readonly Contended[], what: 'retries' | 'answers'): number {
  return rounds.reduce((sum, round) => sum + round[what], 0);
}

function tableOf(rows: readonly Row[]): string {
  return table(
    ['threads', 'versions', 'replicas', 'arrival ns', 'slots ns', 'slots / arrival', 'retries / 1000'],
    rows.map((row) => [
      row.threads,
      row.versions,
      row.replicas,
      row.arrivalNs.toFixed(1),
      row.slotsNs.toFixed(1),
      row.slotsOverArrival.toFixed(2),
      row.retriesPerThousand?.toFixed(2) ?? '',
    ]),
  );
}

async function main(): Promise<void> {
  const own = await inOneThread();
  const shared = await fromSeveral();
  const processor = cpus()[0]?.model ?? 'unknown';
  console.log(`Node ${process.version}, ${processor}, ${availableParallelism()} cores; for each answer\n`);
  console.log(`In one thread, in its own memory:\n\n${tableOf(own)}\n`);
  console.log(`From several threads, in shared memory:\n\n${tableOf(shared)}`);
  if (flags.json !== undefined) writeBenchFile(flags.json, [...own, ...shared]);
}

try {
  await main();
} catch (error) {
  console.error(`bench:accumulator: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

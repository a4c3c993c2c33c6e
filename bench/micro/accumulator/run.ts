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
import { type Figure, median } from '../statistics.ts';
import { table } from '../tables.ts';
import { REPLICAS, VERSIONS, type Versions, WAYS, type Way } from './answers.ts';
import { type Contended, measureContended, THREADS } from './contention.ts';

const CASES_FILE = 'accumulator.ts';
const TIME_MS = 500;
const ANSWERS = 300_000;
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

/** Of one way: what an answer took, and how many exchanges were in vain. */
interface WayFigures {
  readonly nsPerAnswer: number;
  readonly retriesPerThousand: number | null;
}

const share = flags.quick ? QUICK_SHARE : 1;

async function inOneThread(): Promise<(versions: Versions, replicas: number, way: Way) => WayFigures> {
  const found = cases.map((microCase) => ({ file: CASES_FILE, microCase }));
  const figures = new Map(
    (await measureRounds(found, flags.rounds, TIME_MS / share)).map((figure): [string, Figure] => [
      figure.name,
      figure,
    ]),
  );
  return (versions, replicas, way) => {
    const nsPerAnswer = figures.get(caseName(way, replicas, versions))?.nsPerOperation ?? Number.NaN;
    return { nsPerAnswer, retriesPerThousand: null };
  };
}

/** The ways in turns, so that both have the same neighbours. */
async function fromSeveral(
  settings: readonly Setting[],
): Promise<ReadonlyMap<Setting, Record<Way, WayFigures>>> {
  const rounds = new Map(
    settings.map((setting) => [setting, { arrival: [] as Contended[], slots: [] as Contended[] }]),
  );
  for (let round = 0; round < flags.rounds; round++) {
    for (const [{ replicas, threads, versions }, measured] of rounds) {
      for (const way of WAYS)
        measured[way].push(await measureContended(way, versions, replicas, threads, ANSWERS / share));
    }
  }
  return new Map(
    [...rounds].map(([setting, { arrival, slots }]) => [
      setting,
      { arrival: figuresOf(arrival), slots: figuresOf(slots) },
    ]),
  );
}

function figuresOf(rounds: readonly Contended[]): WayFigures {
  const sum = (of: (round: Contended) => number): number =>
    rounds.reduce((total, round) => total + of(round), 0);
  return {
    nsPerAnswer: median(rounds.map(({ nsPerAnswer }) => nsPerAnswer)),
    retriesPerThousand: (1_000 * sum(({ retries }) => retries)) / sum(({ answers }) => answers),
  };
}

function rowsOf(memory: 'own' | 'shared', setting: Setting, of: Record<Way, WayFigures>): BenchRow[] {
  const { replicas, threads, versions } = setting;
  return WAYS.map((way) => ({
    memory,
    threads: `${threads}`,
    versions,
    replicas: `${replicas}`,
    way,
    ...of[way],
  }));
}

function lineOf(
  { replicas, threads, versions }: Setting,
  { arrival, slots }: Record<Way, WayFigures>,
): string[] {
  const ns = ({ nsPerAnswer }: WayFigures): string => nsPerAnswer.toFixed(1);
  const retries = arrival.retriesPerThousand;
  return [
    `${threads}`,
    versions,
    `${replicas}`,
    ns(arrival),
    ns(slots),
    (slots.nsPerAnswer / arrival.nsPerAnswer).toFixed(2),
    retries === null ? '' : retries.toFixed(2),
  ];
}

async function main(): Promise<void> {
  const settings = (threads: number): Setting[] =>
    VERSIONS.flatMap((versions) => REPLICAS.map((replicas) => ({ versions, replicas, threads })));
  const own = await inOneThread();
  const shared = await fromSeveral(THREADS.flatMap(settings));
  const head = [
    'threads',
    'versions',
    'replicas',
    'arrival ns',
    'slots ns',
    'slots / arrival',
    'retries / 1000',
  ];
  const ownLines: string[][] = [];
  const rows: BenchRow[] = [];
  for (const setting of settings(1)) {
    const of = {
      arrival: own(setting.versions, setting.replicas, 'arrival'),
      slots: own(setting.versions, setting.replicas, 'slots'),
    };
    ownLines.push(lineOf(setting, of));
    rows.push(...rowsOf('own', setting, of));
  }
  for (const [setting, of] of shared) rows.push(...rowsOf('shared', setting, of));
  const sharedLines = [...shared].map(([setting, of]) => lineOf(setting, of));
  console.log(
    `Node ${process.version}, ${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores; per answer\n`,
  );
  console.log(
    `In one thread, in its own memory:\n\n${table(
      head.slice(0, -1),
      ownLines.map((line) => line.slice(0, -1)),
    )}\n`,
  );
  console.log(`From several threads, in shared memory:\n\n${table(head, sharedLines)}`);
  if (flags.json !== undefined) writeBenchFile(flags.json, rows);
}

try {
  await main();
} catch (error) {
  console.error(`bench:accumulator: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

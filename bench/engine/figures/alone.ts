/** The engine alone compared with classic-level (LevelDB), each in a process of its own, in turns. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnBound } from '../../support/bound-child.ts';
import type { AloneAnswer, AloneResult, AloneTask } from '../alone/protocol.ts';
import type { BenchContext } from '../context.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';

const PROCESS = fileURLToPath(new URL('../alone/process.ts', import.meta.url));
const VALUE_BYTES = 100;
const CACHED_KEYS = 100_000;
const SCANNED_KEYS = 1_000_000;
const QUICK_SHARE = 0.05;
/**
 * libuv's pool has four threads and each put occupies one, so this is the best that LevelDB can do with 64 in flight.
 */
const WIDE_POOL = { UV_THREADPOOL_SIZE: '64' };

async function perform(task: AloneTask, env: NodeJS.ProcessEnv = {}): Promise<readonly AloneResult[]> {
  const child = spawnBound(process.execPath, [PROCESS, JSON.stringify(task)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  });
  const said = await new Promise<AloneAnswer>((resolve) => {
    child.once('message', (message) => resolve(message as AloneAnswer));
    child.once('close', (code) => resolve({ error: `the process ended with exit code ${code}` }));
  });
  if ('error' in said) throw new Error(`${task.engine}: ${said.error}`);
  return said.results;
}

interface Round {
  readonly ours: readonly AloneResult[];
  readonly theirs: readonly AloneResult[];
}

function best(results: readonly AloneResult[]): AloneResult {
  return results.reduce((most, result) => (result.perSecond > most.perSecond ? result : most));
}

/** Compares each engine in its fastest way; every way is printed. */
function findingOf(rounds: readonly Round[], unit: string, least: number): Finding {
  const describe = (name: string, side: (round: Round) => readonly AloneResult[]): string[] =>
    side(rounds[0]).map(({ way }, i) => {
      const of = (value: (result: AloneResult) => number): number =>
        median(rounds.map((round) => value(side(round)[i])));
      return (
        `${name} ${way}: ${digits(of(({ perSecond }) => perSecond))} ${unit}/s, ` +
        `${digits(of(({ cpuMicros }) => cpuMicros))} µs CPU, loop delay p99.9 ` +
        `${of(({ delayP999Ms }) => delayP999Ms).toFixed(1)} max ${of(({ delayMaxMs }) => delayMaxMs).toFixed(1)} ms`
      );
    });
  return {
    what: `${unit} a second, each in its fastest way`,
    figure: median(rounds.map(({ ours, theirs }) => best(ours).perSecond / best(theirs).perSecond)),
    unit: 'x',
    bound: { least },
    detail: [
      ...describe('ours,', ({ ours }) => ours),
      ...describe('classic-level,', ({ theirs }) => theirs),
    ].join('\n      '),
  };
}

async function prepare(context: BenchContext): Promise<string> {
  await context.stopClusters();
  const directory = join(context.directory, 'alone');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  return directory;
}

/** The two engines over the same loaded data. */
async function measureLoaded(
  context: BenchContext,
  operation: 'get' | 'range',
  fullKeys: number,
): Promise<Round[]> {
  const { isQuick, rounds: count, seconds } = context.settings;
  const directory = await prepare(context);
  const keys = isQuick ? fullKeys * QUICK_SHARE : fullKeys;
  const task = { operation, keys, valueBytes: VALUE_BYTES, seconds: Math.min(seconds, 5) };
  const ours = { ...task, engine: 'ours', directory: join(directory, 'ours') } as const;
  const theirs = { ...task, engine: 'classic-level', directory: join(directory, 'classic-level') } as const;
  try {
    for (const side of [ours, theirs]) {
      context.progress(`${side.engine}: loading ${keys} keys`);
      await perform({ ...side, operation: 'load' });
    }
    const rounds: Round[] = [];
    for (let round = 1; round <= count; round++) {
      rounds.push({ theirs: await perform(theirs), ours: await perform(ours) });
      context.progress(`round ${round} of ${count}`);
    }
    return rounds;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export const alonePut: Figure = {
  name: 'alone-put',
  title: 'engine alone: synced puts, 64 in flight, against classic-level',
  needs: ['classic-level'],
  async run(context): Promise<Finding[]> {
    const { rounds: count, seconds } = context.settings;
    const directory = await prepare(context);
    const task = { operation: 'put', keys: CACHED_KEYS, valueBytes: VALUE_BYTES, seconds } as const;
    const rounds: Round[] = [];
    try {
      for (let round = 1; round <= count; round++) {
        const puts = async (engine: AloneTask['engine'], name: string, env?: NodeJS.ProcessEnv) =>
          await perform({ ...task, engine, directory: join(directory, `${name}-${round}`) }, env);
        const [narrow] = await puts('classic-level', 'classic-level');
        const [wide] = await puts('classic-level', 'classic-level-wide', WIDE_POOL);
        const ours = await puts('ours', 'ours');
        rounds.push({ ours, theirs: [narrow, { ...wide, way: 'put, 64 threads in libuv' }] });
        context.progress(`round ${round} of ${count}`);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    return [findingOf(rounds, 'puts', 1)];
  },
};

export const aloneGet: Figure = {
  name: 'alone-get',
  title: 'engine alone: gets of keys that are in the cache against classic-level',
  needs: ['classic-level'],
  async run(context): Promise<Finding[]> {
    return [findingOf(await measureLoaded(context, 'get', CACHED_KEYS), 'gets', 0.7)];
  },
};

export const aloneRange: Figure = {
  name: 'alone-range',
  title: 'engine alone: a scan of everything against classic-level',
  needs: ['classic-level'],
  async run(context): Promise<Finding[]> {
    return [findingOf(await measureLoaded(context, 'range', SCANNED_KEYS), 'entries', 0.7)];
  },
};

/**
 * `npm run report:check -- [--minutes 4]`: makes the report with little data and short runs, and exits with 1 when a
 * step fails, something is missing, or it takes too long.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeSeconds } from '../../bench/report/numbers.ts';
import { scaleOf } from '../../bench/report/scale.ts';
import { stepsOf } from '../../bench/report/steps/all.ts';
import { endBound, spawnBound } from '../../bench/support/bound-child.ts';
import { systemClock } from '../../src/clock.ts';
import { faultsOfReport } from '../support/checked-report.ts';
import { quietEnvironment } from '../support/run-cli.ts';
import { positive, script } from '../support/script-flags.ts';

const SCRIPT = fileURLToPath(new URL('../../bench/report/run.ts', import.meta.url));
const SCALE = 'quick';
/** One that is only slow is to tell how slow; one that does not end is ended after this many times its time. */
const PATIENCE = 3;

const flags = script(
  'report:check',
  'Makes the report with --quick in a folder that is removed afterwards: each step must be done, each file there, and all in time. Its conclusions are not judged, and nothing else should run on the machine.',
)
  .option('--minutes <n>', 'it must take less', positive, 4)
  .parse()
  .opts<{ minutes: number }>();
const limitSeconds = flags.minutes * 60;

/** @returns its exit code; null: it was ended */
async function makeReport(args: readonly string[], patienceSeconds: number): Promise<number | null> {
  const child = spawnBound(process.execPath, [SCRIPT, '--quick', ...args], {
    env: quietEnvironment(),
    stdio: ['ignore', 'inherit', 'inherit'],
    // A group of its own ends as a whole.
    detached: true,
  });
  const ended = Promise.withResolvers<number | null>();
  child.once('error', ended.reject);
  child.once('close', ended.resolve);
  const timer = setTimeout(() => void endBound(child), patienceSeconds * 1_000);
  try {
    return await ended.promise;
  } finally {
    clearTimeout(timer);
  }
}

async function check(directory: string): Promise<void> {
  const out = join(directory, 'report');
  const data = join(directory, 'data');
  const folders = ['--work', join(directory, 'work'), '--out', out, '--data', data];
  const startMs = systemClock.monotonicMs();
  const exitCode = await makeReport(folders, limitSeconds * PATIENCE);
  const seconds = (systemClock.monotonicMs() - startMs) / 1_000;
  const steps = stepsOf(scaleOf(SCALE)).map(({ name }) => name);
  const faults = faultsOfReport({ exitCode, seconds, out, data }, { scale: SCALE, steps, limitSeconds });
  if (faults.length === 0 && (await makeReport(['--build', ...folders], limitSeconds)) !== 0)
    faults.push('--build cannot write it anew from its results');
  for (const fault of faults) console.error(`report:check: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
  const time = `${describeSeconds(seconds)} of ${describeSeconds(limitSeconds)}`;
  console.log(
    `${steps.length} steps, ${time}, ${faults.length === 0 ? 'all as it should be' : `${faults.length} faults`}`,
  );
}

const directory = mkdtempSync(join(tmpdir(), 'quorate-report-check-'));
// What was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
await check(directory);

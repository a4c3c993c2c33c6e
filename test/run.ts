/** `npm test`: builds the program, runs all files of tests, three processes at a time, and says what each test did. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { PROJECT } from '../deploy/packages/packages.ts';
import { PROGRAM_VARIABLE } from './support/process-paths.ts';
import { testFiles } from './support/test-files.ts';
import { processesOf } from './support/test-plan.ts';

/** One more than two cores: files of whole nodes wait for most of their time, for timers, disks and other processes. */
const CONCURRENCY = 3;

/** Whoever ends this process ends those that it has started. */
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());

execFileSync(process.execPath, [join(PROJECT, 'deploy/packages/build.ts'), 'quorate'], { stdio: 'inherit' });
process.env[PROGRAM_VARIABLE] = join(PROJECT, 'dist/src/cli/bin.js');

const files = processesOf(testFiles()).map((file) => join(PROJECT, file));
run({ files, concurrency: CONCURRENCY, signal: stop.signal })
  .on('test:summary', ({ success }) => {
    if (!success) process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);

/** `npm test`: runs all files of tests, two processes at a time, and says what each test did. */
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { PROJECT } from '../deploy/packages/packages.ts';
import { testFiles } from './support/test-files.ts';
import { processesOf } from './support/test-plan.ts';

const CONCURRENCY = 2;

const files = processesOf(testFiles()).map((file) => join(PROJECT, file));
run({ files, concurrency: CONCURRENCY })
  .on('test:summary', ({ success }) => {
    if (!success) process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);

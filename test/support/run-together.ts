/** Runs files of tests in this process, one after the other. */
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { describe } from 'node:test';
import { PROJECT } from '../../deploy/packages/packages.ts';
import { testFiles } from './test-files.ts';
import { filesTogether } from './test-plan.ts';

const require = createRequire(import.meta.url);

/** @param directory the folder whose `together.ts` this is */
export function runTogether(directory: string): void {
  const folder = relative(PROJECT, directory).replaceAll('\\', '/');
  for (const file of filesTogether(testFiles(), folder)) {
    // Loaded within its suite, a file has its tests and hooks there. An import would end after the suite is made up.
    describe(file, () => void require(join(PROJECT, file)));
  }
}

/** The files of tests, as they lie in the repository. */
import { globSync } from 'node:fs';
import { PROJECT } from '../../deploy/packages/packages.ts';
import { TOGETHER } from './test-plan.ts';

/** Also those that run the tests of their folder; from the top of the repository, with slashes. */
export function testFiles(): string[] {
  const files = globSync([`test/**/*.test.ts`, `test/**/${TOGETHER}`], { cwd: PROJECT });
  return files.map((file) => file.replaceAll('\\', '/')).toSorted();
}

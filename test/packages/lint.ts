/** What publint and attw (are the types wrong?) say about a tarball. */
import { readFile } from 'node:fs/promises';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

/**
 * An ES module that `require` loads, too: these tell that an older Node, or a resolution from before package.json had
 * `exports`, could not.
 */
const OLDER_RESOLUTIONS: ReadonlySet<string> = new Set(['node10', 'node16-cjs']);

/** @returns a sentence for each fault */
export async function lintFaults(name: string, tarball: string): Promise<string[]> {
  const data = new Uint8Array(await readFile(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
  const types = await checkPackage(createPackageFromTarballData(data));
  return [
    ...messages.map((message) => `${name}: publint: ${formatMessage(message, pkg) ?? message.code}`),
    ...('problems' in types ? types.problems : [])
      .filter((problem) => !('resolutionKind' in problem && OLDER_RESOLUTIONS.has(problem.resolutionKind)))
      .map((problem) => `${name}: attw: ${JSON.stringify(problem)}`),
  ];
}

/** The name of what is measured: a run goes on where an earlier one stopped only when both measure the same. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAX_OUTPUT_BYTES = 256 * 2 ** 20;
/** A change of anything else, of the report itself too, costs no figure that was measured. */
const MEASURED = ['cli.ts', 'src', 'native-free-lsm', 'package-lock.json'];

export interface Fingerprint {
  /** Differs where a figure may. */
  readonly key: string;
  /** For people; `unknown` outside a checkout. */
  readonly commit: string;
}

/** @param settings plain data that the figures depend on */
export function fingerprintOf(settings: unknown): Fingerprint {
  const trees = MEASURED.map((path) => git('rev-parse', `HEAD:${path}`));
  const changes = git('status', '--porcelain', '--', ...MEASURED) + git('diff', 'HEAD', '--', ...MEASURED);
  const commit = git('rev-parse', '--short=12', 'HEAD');
  const content = JSON.stringify([settings, trees, changes, process.version]);
  const key = createHash('sha256').update(content).digest('hex').slice(0, 16);
  if (commit === '') return { key, commit: 'unknown' };
  return { key, commit: changes === '' ? commit : `${commit} with changes` };
}

/** @returns an empty text where git is missing or knows nothing of it */
function git(...args: string[]): string {
  const { status, stdout } = spawnSync('git', args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return status === 0 ? stdout.trim() : '';
}

/** What the benchmarks need besides Node. It is checked before hours are spent on preparing data. */
import { runBound } from './bound-child.ts';

export type Need = 'wrk' | 'dd' | 'fincore';

const MISSING: Readonly<Record<Need, string>> = {
  wrk: "wrk cannot be run: install it, Debian's package is wrk",
  dd: 'dd cannot be run: install coreutils',
  fincore: 'fincore cannot be run: install util-linux',
};

/** @throws Error with a sentence for each need that is not met */
export async function checkNeeds(needs: ReadonlySet<Need>): Promise<void> {
  const missing: string[] = [];
  if (process.platform !== 'linux') missing.push('the figures are read from /proc: run this on Linux');
  for (const need of needs) if (!(await isThere(need))) missing.push(MISSING[need]);
  if (missing.length > 0) throw new Error(missing.join('\n'));
}

async function isThere(need: Need): Promise<boolean> {
  try {
    await runBound(need, ['--version']);
    return true;
  } catch {
    return false;
  }
}

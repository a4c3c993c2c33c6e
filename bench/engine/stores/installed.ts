/** Which of the stores can be measured here. */
import { existsSync } from 'node:fs';
import type { StoreName } from './store.ts';

/** The package of a store that is a native addon. */
const PACKAGES: Readonly<Partial<Record<StoreName, string>>> = {
  'classic-level': 'classic-level',
  lmdb: 'lmdb',
  rocksdb: '@nxtedition/rocksdb',
};
/** Its package has binaries for few systems. */
const OPTIONAL: StoreName = 'rocksdb';

/**
 * @param isAsked whether they were asked for by name: then none may be missing
 * @throws Error that says what to do
 */
export async function installedStores(
  wanted: readonly StoreName[],
  isAsked: boolean,
): Promise<readonly StoreName[]> {
  if (!existsSync('/proc/self/status')) throw new Error('memory is read from /proc: run this on Linux');
  const missing = wanted.filter((store) => {
    const name = PACKAGES[store];
    return name !== undefined && !isInstalled(name);
  });
  const needed = missing.filter((store) => isAsked || store !== OPTIONAL);
  if (needed.length > 0)
    throw new Error(
      `${needed.join(', ')}: not installed; run \`npm ci --prefix bench\` first, or leave them out by --stores`,
    );
  for (const store of missing) console.log(`${store} is left out: its package has no binary for this system`);
  return wanted.filter((store) => !missing.includes(store));
}

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}

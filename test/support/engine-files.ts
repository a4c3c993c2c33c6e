import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../../native-free-lsm/index.ts';
import { until } from './until.ts';

const KINDS = [/^\d+\.sst$/, /^\d+\.log$/, /^MANIFEST-\d+$/, /^CURRENT$/, /^LOCK/];

export function tableCount(engine: Engine): number {
  return engine.stats().tablesByLevel.reduce((sum, count) => sum + count, 0);
}

/**
 * Resolves when there is nothing left to do, not even failed jobs that are tried again, and the directory holds the
 * tables of the tree, the log in use, a manifest, and no other file.
 */
export async function filesAtRest(engine: Engine, directory: string): Promise<void> {
  let names: string[] = [];
  await until(
    async () => {
      const isIdle = await engine.store.maintenanceIdle().then(
        () => true,
        () => false,
      );
      names = await readdir(directory);
      const counts = KINDS.map((kind) => names.filter((name) => kind.test(name)).length);
      // SQLite may keep a file beside the lock.
      const expected = [tableCount(engine), 1, 1, 1, counts[4]];
      return isIdle && String(counts) === String(expected) && names.length === counts.reduce((a, b) => a + b);
    },
    60_000,
    () => `${tableCount(engine)} tables and a log, but files ${names}`,
  );
}

/** The size of a directory's files, and how many there are. Files that disappear meanwhile do not count. */
export async function directorySize(directory: string): Promise<{ files: number; bytes: number }> {
  const names = await readdir(directory);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return { files: names.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

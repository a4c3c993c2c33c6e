/**
 * Reads over all keys, far more than the nodes' block caches hold: once with every table in the page cache, undisturbed,
 * and once while tables are dropped from it again and again, so that they come from the disk.
 */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ColdPageCache } from '../../support/cold-page-cache.ts';
import { checkNeeds } from '../../support/needs.ts';
import { type LoadFigures, LoadSession } from '../load-session.ts';
import type { Scale } from '../scale.ts';
import type { Step } from '../step.ts';

export interface PageCacheResult {
  readonly keys: number;
  readonly warm: readonly LoadFigures[];
  readonly cold: readonly LoadFigures[];
  readonly tablesMib: number;
  /** Of the tables, in the page cache at the end of the last cold run. */
  readonly coldResidentMib: number;
}

export function pageCacheStep(scale: Scale): Step {
  const { rounds, runSeconds, warmUpSeconds } = scale;
  return {
    name: 'page-cache',
    title: 'GET over all keys: from the page cache, and from the disk',
    budgetSeconds: rounds * (2 * (runSeconds + warmUpSeconds) + 3) + 4,
    needs: ['fill'],
    run: async (context): Promise<PageCacheResult> => {
      await checkNeeds(new Set(['dd', 'fincore']));
      const { data } = context;
      await using session = await LoadSession.start(context, 'parallel', 'get');
      const keys = Math.min(...(await session.cluster.statuses()).map(({ engine }) => engine.estimatedKeys));
      const options = { seconds: runSeconds, warmUpSeconds, keys };
      const warm: LoadFigures[] = [];
      const cold: LoadFigures[] = [];
      let coldResidentMib = 0;
      let tablesMib = 0;
      for (let round = 0; round < rounds; round++) {
        await readTables(data.path);
        warm.push(await session.load(options));
        await using dropped = await ColdPageCache.start(data.path);
        cold.push(await session.load(options));
        coldResidentMib = await dropped.residentMib();
        tablesMib = await dropped.totalMib();
      }
      return { keys, warm, cold, coldResidentMib, tablesMib };
    },
  };
}

/** Into the page cache. */
async function readTables(directory: string): Promise<void> {
  const names = await readdir(directory, { recursive: true });
  for (const name of names.filter((file) => file.endsWith('.sst'))) {
    try {
      for await (const _ of createReadStream(join(directory, name), { highWaterMark: 2 ** 20 }));
    } catch (error) {
      // A compaction may have replaced it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

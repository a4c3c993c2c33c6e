/**
 * A seeded run of everything an engine does to its disk: writes of all kinds by several callers at once, older
 * versions that arrive late, flushes, compactions, clean restarts.
 */
import { LsmError, type RecordStore } from '../../native-free-lsm/index.ts';
import { seededRandom } from '../../src/clock.ts';
import { record } from './engine-calls.ts';
import type { EngineHistory } from './engine-history.ts';
import type { EngineSimulation } from './engine-simulation.ts';

const KEYS = 24;

export interface WorkloadOptions {
  readonly seed: number;
  readonly steps: number;
}

/** Runs to its end and leaves the store closed. Calls that fail are the history's; opening may throw. */
export async function runWorkload(
  simulation: EngineSimulation,
  history: EngineHistory,
  { seed, steps }: WorkloadOptions,
): Promise<void> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  let timestamp = 100;
  let store = simulation.openStore();
  const put = () => {
    const size = below(8) === 0 ? below(6000) : below(300);
    const value = below(6) === 0 ? null : Buffer.alloc(size, `${timestamp}.`);
    // Now and then a version that is older than what the key may have by now; never one that was there before.
    const isLate = below(8) === 0;
    const version = isLate ? (timestamp - 1 - below(60)) * 1000 + (timestamp % 999) + 1 : timestamp * 1000;
    timestamp++;
    return { key: Buffer.from(`key${below(KEYS)}`), record: record(version, value) };
  };
  for (let step = 0; step < steps; step++) {
    const calls: Promise<unknown>[] = [];
    for (let i = below(6); i >= 0; i--) {
      if (below(5) > 0) {
        const { key, record } = put();
        calls.push(history.write(store, key, record));
      } else {
        calls.push(history.writeBatch(store, distinct([put(), put(), put()])));
      }
    }
    await simulation.settle(Promise.all(calls));
    const chance = below(40);
    if (chance === 0) store = await reopened(simulation, store, history);
    else if (chance < 3) await attempt(simulation.settle(store.flush()), history);
    else if (chance === 3) await attempt(simulation.settle(store.compact()), history);
    else if (chance < 8) await attempt(simulation.settle(store.maintenanceIdle()), history);
  }
  await attempt(simulation.settle(store.close()), history);
}

async function reopened(
  simulation: EngineSimulation,
  store: RecordStore,
  history: EngineHistory,
): Promise<RecordStore> {
  await attempt(simulation.settle(store.close()), history);
  return simulation.openStore();
}

/** A failure the engine names is an answer like any other; everything else fails the test. */
async function attempt(call: Promise<void>, history: EngineHistory): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LsmError)) throw error;
    history.failures.push(error);
  }
}

/** The newest of each key only: a batch that holds a key twice has no one version to look for. */
function distinct<T extends { readonly key: Buffer }>(puts: readonly T[]): T[] {
  return [...new Map(puts.map((put) => [put.key.toString(), put])).values()];
}

/**
 * A seeded run of everything that an engine does to its disk: writes of all kinds by several callers at once, deletions of
 * ranges, older versions that arrive late, flushes, compactions, pauses and clean restarts.
 */
import { type KeyCondition, LsmError, type RecordStore } from '../../native-free-lsm/index.ts';
import { seededRandom } from '../../src/clock.ts';
import { record } from './engine-calls.ts';
import type { EngineHistory } from './engine-history.ts';
import type { EngineSimulation } from './engine-simulation.ts';

const KEYS = 24;
/** No workload writes as many; this many timestamps separate one life of a store from the next. */
const TIMESTAMPS_PER_LIFE = 100_000;

export interface WorkloadOptions {
  readonly seed: number;
  readonly steps: number;
  /** Which life of the store it is, from 0 on: every version is above those of all lives before, except late ones. */
  readonly life?: number;
  /** Whether there are also writes on conditions, synced ones, and batches larger than a memtable. */
  readonly isOfEveryKind?: boolean;
}

/** Runs to its end and leaves the store closed. The history notes calls that fail; opening may throw. */
export async function runWorkload(
  simulation: EngineSimulation,
  history: EngineHistory,
  options: WorkloadOptions,
): Promise<void> {
  const store = await workOn(simulation, simulation.openStore(), history, options);
  await attempt(simulation.settle(store.close()), history);
  history.durable = history.acknowledged;
}

/**
 * The same on a store that is open.
 * @returns the open store, which may be another one by now
 */
export async function workOn(
  simulation: EngineSimulation,
  opened: RecordStore,
  history: EngineHistory,
  { seed, steps, life = 0, isOfEveryKind = false }: WorkloadOptions,
): Promise<RecordStore> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  let timestamp = 100 + life * TIMESTAMPS_PER_LIFE;
  let store = opened;
  const put = () => {
    const size = below(8) === 0 ? below(6000) : below(300);
    const value = below(6) === 0 ? null : Buffer.alloc(size, `${timestamp}.`);
    // Now and then a version that is older than the key's newest one, but never one that was there before.
    const isLate = below(8) === 0;
    const version = isLate ? (timestamp - 1 - below(60)) * 1000 + (timestamp % 999) + 1 : timestamp * 1000;
    timestamp++;
    return { key: Buffer.from(`key${below(KEYS)}`), record: record(version, value) };
  };
  /** Half of them ask for what their key had before the calls that are under way with them. */
  const condition = (): KeyCondition => {
    const key = Buffer.from(`key${below(KEYS)}`);
    const newest = history.acknowledgedVersions().get(key.toString()) ?? 0;
    return { key, timestamp: below(2) === 0 ? newest : 0, nowMs: 1 };
  };
  const other = (): Promise<void> => {
    const puts = distinct([put(), put()]);
    return below(3) === 0
      ? history.writeSynced(store, puts)
      : history.writeIf(store, [condition(), condition()], puts);
  };
  for (let step = 0; step < steps; step++) {
    const calls: Promise<unknown>[] = [];
    if (isOfEveryKind) {
      // Alone: writes that are newer and called meanwhile do not wait for it.
      if (below(12) === 0) {
        const puts = Array.from({ length: KEYS }, (_, i) => ({
          key: Buffer.from(`key${i}`),
          record: record(timestamp * 1000, Buffer.alloc(3_000 + below(3_000), `${timestamp}.`)),
        }));
        timestamp++;
        await lasting(() => history.writeBatch(store, puts), simulation, history);
      }
      for (let i = below(3); i > 0; i--) calls.push(other());
    }
    for (let i = below(6); i >= 0; i--) {
      const kind = below(25);
      if (kind > 4) {
        const { key, record } = put();
        calls.push(history.write(store, key, record));
      } else if (kind > 0) {
        calls.push(history.writeBatch(store, distinct([put(), put(), put()])));
      } else {
        const [start, end] = [below(KEYS), below(KEYS)].sort().map((key) => Buffer.from(`key${key}`));
        const range = { start, end: below(3) === 0 ? null : Buffer.concat([end, Buffer.of(0)]) };
        calls.push(history.clear(store, range, timestamp++ * 1000));
      }
    }
    await simulation.settle(Promise.all(calls));
    if (step % 4 === 0) await simulation.settle(history.read(store, Buffer.from(`key${below(KEYS)}`)));
    const chance = below(44);
    if (chance === 0) {
      await lasting(() => store.close(), simulation, history);
      store = simulation.openStore();
    } else if (chance < 3) await lasting(() => store.flush(), simulation, history);
    else if (chance === 3) await lasting(() => store.compact(), simulation, history);
    else if (chance < 8) await attempt(simulation.settle(store.maintenanceIdle()), history);
    // Long enough for what a durability does by the clock.
    else if (chance < 12) await simulation.pass(below(300));
  }
  return store;
}

/** A call after which everything written before is on the disk. */
async function lasting(
  call: () => Promise<void>,
  simulation: EngineSimulation,
  history: EngineHistory,
): Promise<void> {
  const failuresBefore = history.failures.length;
  await attempt(simulation.settle(call()), history);
  if (history.failures.length === failuresBefore) history.durable = history.acknowledged;
}

/** An error of the engine with a name is an answer like any other; everything else fails the test. */
export async function attempt(call: Promise<void>, history: EngineHistory): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LsmError)) throw error;
    history.failures.push(error);
  }
}

/** Only the newest of each key: in a batch that holds a key twice, it has no single version to look for. */
function distinct<T extends { readonly key: Buffer }>(puts: readonly T[]): T[] {
  return [...new Map(puts.map((put) => [put.key.toString(), put])).values()];
}

/**
 * Stops the machine at many moments of one run of the workload and looks, for each, at what an engine that is
 * opened on the remains shows. A moment is between two calls to the file system; what a call in the middle
 * leaves is what `torn` leaves a call later.
 */
import assert from 'node:assert/strict';
import type { Survival } from '../../native-free-lsm/fs/memory-file.ts';
import { type CallHook, MemoryFileSystem } from '../../native-free-lsm/fs/memory-fs.ts';
import { WriteStatus } from '../../native-free-lsm/index.ts';
import { readRecord, record, writeRecordTo } from './engine-calls.ts';
import { type Acknowledged, EngineHistory } from './engine-history.ts';
import { EngineSimulation } from './engine-simulation.ts';
import { runWorkload, type WorkloadOptions } from './engine-workload.ts';

const SURVIVALS: readonly { readonly bytes: Survival; readonly names: Survival }[] = [
  { bytes: 'lost', names: 'lost' },
  { bytes: 'kept', names: 'kept' },
  { bytes: 'torn', names: 'torn' },
  { bytes: 'lost', names: 'kept' },
  { bytes: 'torn', names: 'lost' },
];

export interface CrashCheck extends WorkloadOptions {
  /** Of the calls to the file system, one in so many is a moment of a crash. */
  readonly every: number;
  /** Which of them. */
  readonly offset: number;
  /** A planted fault. */
  readonly fault?: CallHook;
}

interface Moment {
  readonly index: number;
  readonly acknowledged: Acknowledged;
  readonly disk: MemoryFileSystem;
  readonly survival: string;
}

/**
 * @returns how many moments were looked at
 * @throws what was lost or invented, and at which call
 */
export async function checkCrashes(check: CrashCheck): Promise<number> {
  const history = new EngineHistory();
  const fs = new MemoryFileSystem();
  const moments: Moment[] = [];
  fs.onCall = (call) => {
    if (call.index % check.every === check.offset % check.every) {
      // Two ways to lose power a moment, in turns: all five at each would be much the same.
      for (const turn of [0, 1]) {
        const way = SURVIVALS[(Math.floor(call.index / check.every) * 2 + turn) % SURVIVALS.length];
        const disk = fs.crash({ ...way, seed: check.seed + call.index });
        const survival = `bytes ${way.bytes}, names ${way.names}`;
        moments.push({ index: call.index, acknowledged: history.acknowledged(), disk, survival });
      }
    }
    return check.fault?.(call);
  };
  const simulation = new EngineSimulation(undefined, fs);
  await runWorkload(simulation, history, check);
  for (const moment of moments) await checkMoment(simulation, history, moment);
  return moments.length;
}

async function checkMoment(
  simulation: EngineSimulation,
  history: EngineHistory,
  moment: Moment,
): Promise<void> {
  try {
    const restarted = simulation.restartWith(moment.disk);
    const store = restarted.openStore();
    await restarted.settle(history.check(store, moment.acknowledged));
    // It goes on as any other: takes a write, and has it after the next start.
    const key = Buffer.from('later');
    const written = record(1, 'later');
    const { status } = await restarted.settle(writeRecordTo(store, key, written));
    assert.equal(status, WriteStatus.applied);
    await restarted.settle(store.close());
    const again = restarted.openStore();
    assert.deepEqual(await restarted.settle(readRecord(again, key)), written);
    await restarted.settle(again.close());
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`power lost before call ${moment.index}, ${moment.survival}: ${message}`, {
      cause: error,
    });
  }
}

/**
 * Stops the machine, or kills the process, at many moments of one run of the workload, and checks for each what an
 * engine shows that is opened on the remains. A moment is between two calls to the file system; what a call leaves that
 * is stopped in the middle is what `torn` leaves one call later.
 *
 * The promises: after a kill, everything acknowledged is there. After a power loss it is there too with `sync`; with
 * `interval`, all but what the last two intervals acknowledged (a sync may be running when the second begins); with
 * `none`, what was flushed. What is lost is always the end: never a write before one that is there. And no later power
 * loss takes what an engine has shown after its opening.
 */
import assert from 'node:assert/strict';
import { DEFAULT_OPTIONS, type Durability, type EngineOptions } from '../../native-free-lsm/index.ts';
import type { Survival } from '../../native-free-lsm/simulation/index.ts';
import { type CallHook, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../src/clock.ts';
import { EngineHistory } from './engine-history.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from './engine-simulation.ts';
import { runWorkload, type WorkloadOptions, workOn } from './engine-workload.ts';

/** How a machine or a process may stop. */
export type Stop = 'kill' | { readonly bytes: Survival; readonly names: Survival };

export const STOPS: readonly Stop[] = [
  'kill',
  { bytes: 'torn', names: 'torn' },
  { bytes: 'lost', names: 'lost' },
  { bytes: 'torn', names: 'kept' },
  { bytes: 'lost', names: 'kept' },
  { bytes: 'torn', names: 'lost' },
  { bytes: 'kept', names: 'torn' },
];

export interface CrashCheck extends WorkloadOptions {
  /** One in this many calls to the file system is a moment of a stop. */
  readonly every: number;
  /** Which one of them. */
  readonly offset: number;
  /** How many kinds of stop are tried at a moment, in turns. */
  readonly stopsAtOnce?: number;
  readonly options?: Partial<EngineOptions>;
  /** See `backgroundAfter`. */
  readonly backgroundDelayMs?: number;
  /** A planted fault; it is given the file system that it is planted in. */
  readonly fault?: (fs: MemoryFileSystem) => CallHook;
}

export interface CrashReport {
  /** Calls to the file system in the whole run. */
  readonly calls: number;
  readonly moments: number;
}

interface Moment {
  readonly index: number;
  readonly call: string;
  readonly stop: Stop;
  readonly disk: MemoryFileSystem;
  /** How many writes must be there, and how many may be. */
  readonly least: number;
  readonly issued: number;
}

/** @throws Error that says what was lost or invented, and at which call */
export async function checkCrashes(check: CrashCheck): Promise<CrashReport> {
  const fs = new MemoryFileSystem();
  const options = { ...TINY_OPTIONS, ...check.options };
  const simulation = new EngineSimulation(options, fs, backgroundAfter(check.backgroundDelayMs ?? 0));
  const history = new EngineHistory(() => simulation.clock.monotonicMs());
  const fault = check.fault?.(fs);
  const moments: Moment[] = [];
  fs.onCall = (call) => {
    if (call.index % check.every === check.offset % check.every) {
      for (let turn = 0; turn < (check.stopsAtOnce ?? 2); turn++) {
        const stop = STOPS[(Math.floor(call.index / check.every) * 3 + turn) % STOPS.length];
        moments.push({
          index: call.index,
          call: `${call.operation} ${call.path}`,
          stop,
          disk: stopped(fs, stop, check.seed + call.index),
          least: promised(history, stop, options, simulation.clock.monotonicMs()),
          issued: history.issued,
        });
      }
    }
    return fault?.(call);
  };
  await runWorkload(simulation, history, check);
  assert.deepEqual(history.failures, [], 'no call fails');
  for (const moment of moments) await checkMoment(simulation, history, moment, check);
  return { calls: fs.callCount, moments: moments.length };
}

/** What is found after the machine or the process has stopped. */
export function stopped(fs: MemoryFileSystem, stop: Stop, seed: number): MemoryFileSystem {
  return stop === 'kill' ? fs.kill() : fs.crash({ ...stop, random: seededRandom(seed) });
}

export function stopName(stop: Stop): string {
  return stop === 'kill' ? 'killed' : `power lost, bytes ${stop.bytes}, names ${stop.names}`;
}

/** How many of the writes must be there after a stop at this moment. */
export function promised(
  history: EngineHistory,
  stop: Stop,
  options: Partial<EngineOptions>,
  nowMs: number,
): number {
  const durability: Durability = options.durability ?? DEFAULT_OPTIONS.durability;
  if (stop === 'kill' || durability === 'sync') return history.acknowledged;
  if (durability === 'none') return history.durable;
  const intervalMs = options.syncIntervalMs ?? DEFAULT_OPTIONS.syncIntervalMs;
  return Math.max(history.durable, history.acknowledgedBy(nowMs - 2 * intervalMs));
}

/** The second stop comes before one of this many calls after the opening. */
const CALLS_TO_SECOND_STOP = 40;

interface Image {
  readonly disk: MemoryFileSystem;
  readonly least: number;
  readonly issued: number;
}

async function checkMoment(
  simulation: EngineSimulation,
  history: EngineHistory,
  moment: Moment,
  check: CrashCheck,
): Promise<void> {
  const { options } = simulation;
  const random = check.seed * 31 + moment.index;
  const stop = STOPS[random % STOPS.length];
  try {
    const first = simulation.restartWith(moment.disk);
    const fault = check.fault?.(moment.disk);
    moment.disk.onCall = fault;
    const store = first.openStore();
    // It goes on like any other until it is stopped again: at once, while it flushes what it found, or later.
    const stopAt = moment.disk.callCount + (random % CALLS_TO_SECOND_STOP);
    let second: EngineHistory | undefined;
    let image: Image | undefined;
    moment.disk.onCall = (call) => {
      if (call.index === stopAt) image = takeImage();
      return fault?.(call);
    };
    const takeImage = (): Image => ({
      disk: stopped(moment.disk, stop, random),
      least: second === undefined ? -1 : promised(second, stop, options, first.clock.monotonicMs()),
      issued: second?.issued ?? -1,
    });
    const there = await first.settle(history.checkPrefix(store, moment.least, moment.issued));
    second = history.fork(there, () => first.clock.monotonicMs());
    const { isOfEveryKind = false } = check;
    await workOn(first, store, second, { seed: random, steps: 1 + (random % 3), life: 1, isOfEveryKind });
    assert.deepEqual(second.failures, [], 'no call fails after the stop');
    const { disk, least, issued } = image ?? takeImage();
    const left = simulation.restartWith(disk);
    const again = left.openStore();
    await left.settle(second.checkPrefix(again, Math.max(least, there), Math.max(issued, there)));
    await left.settle(again.close());
    assert.equal(left.fs.openDescriptors, 0, 'closed with everything it had opened');
  } catch (error) {
    const { message } = error as Error;
    const first = `${stopName(moment.stop)} before call ${moment.index}, ${moment.call}`;
    throw new Error(`${first} (then ${stopName(stop)}): ${message}`, { cause: error });
  }
}

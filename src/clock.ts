/**
 * The only raw time and randomness of the node. Everything else is handed a Clock, so that a test or a simulation
 * decides what time it is.
 */
import { randomBytes } from 'node:crypto';
import type { EngineClock } from '../native-free-lsm/index.ts';

export interface TimerHandle {
  cancel(): void;
}

/** The engine's clock as well: a node hands it on. */
export interface Clock extends EngineClock {
  /** Calls back again and again, not before each `periodMs` has passed; keeps no process alive. */
  every(periodMs: number, callback: () => void): TimerHandle;
}

/**
 * Calls back at the end of every turn of the event loop with the time that the turn ran: the time since the end of the
 * turn before, minus the time that the loop slept.
 *
 * The immediate behind it is unreferenced: libuv runs it when the loop turns anyway, but never turns the loop for it,
 * so an idle node stays asleep. (`monitorEventLoopDelay({ samplePerIteration: true })` measures from check to prepare,
 * and so leaves out every socket callback.)
 */
export function everyTurn(callback: (nowMs: number, ranMs: number) => void): TimerHandle {
  const { nodeTiming } = performance;
  let endedMs = performance.now();
  let idleMs = nodeTiming.idleTime;
  let cancelled = false;
  const turn = (): void => {
    if (cancelled) return;
    const nowMs = performance.now();
    const nowIdleMs = nodeTiming.idleTime;
    const ranMs = nowMs - endedMs - (nowIdleMs - idleMs);
    endedMs = nowMs;
    idleMs = nowIdleMs;
    setImmediate(turn).unref();
    callback(nowMs, Math.max(ranMs, 0));
  };
  setImmediate(turn).unref();
  return {
    cancel: () => {
      cancelled = true;
    },
  };
}

/** How long this thread's event loop has slept so far because it had nothing to do. */
export function loopIdleMs(): number {
  return performance.nodeTiming.idleTime;
}

/** Uniform in [0, 1). */
export type Random = () => number;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, callback) {
    const timer = setInterval(callback, periodMs);
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
  endOfTurn(callback) {
    setImmediate(callback);
  },
};

export const systemRandom: Random = () => Math.random();

/** Bytes that nobody can guess. */
export type DrawBytes = (count: number) => Buffer;

export const systemBytes: DrawBytes = (count) => randomBytes(count);

/** A small seeded generator (mulberry32, public domain) for everything that must be repeatable. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

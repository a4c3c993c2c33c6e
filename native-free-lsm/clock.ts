import type { HashSeed } from './format/hash.ts';

/**
 * Time, turns and chance as the engine needs them; the only raw ones in the package. A simulation hands in its own.
 */
export interface EngineClock {
  /** Wall clock, ms since the Unix epoch. */
  nowMs(): number;
  /** Never goes back; the same in all threads. */
  monotonicMs(): number;
  /** Calls back once, not before `delayMs`; keeps no process alive. */
  after(delayMs: number, callback: () => void): { cancel(): void };
  /** Calls back once this turn of the event loop has handed out its I/O: where a turn's requests go over. */
  endOfTurn(callback: () => void): void;
}

/** `performance.now` counts from the start of its thread. */
const [seconds, nanoseconds] = process.hrtime();
const THREAD_ORIGIN_MS = seconds * 1000 + nanoseconds / 1e6 - performance.now();

export const systemEngineClock: EngineClock = {
  nowMs: () => Date.now(),
  monotonicMs: () => THREAD_ORIGIN_MS + performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  endOfTurn(callback) {
    setImmediate(callback);
  },
};

/** A secret for the hashes of a directory. */
export function drawHashSeed(): HashSeed {
  const [low, high] = crypto.getRandomValues(new Uint32Array(2));
  return { low, high };
}

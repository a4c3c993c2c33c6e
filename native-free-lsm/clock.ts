import type { HashSeed } from './format/hash.ts';

/**
 * Time, turns and chance as the engine needs them; the only raw ones in the package. Whoever opens an engine hands in a
 * clock of his own: a node hands in its own, a simulation one that it turns. The threads of a real pool live by the
 * system's time all the same (see `Executor.clock`).
 */
export interface EngineClock {
  /** Wall clock, ms since the Unix epoch. */
  nowMs(): number;
  /** Never goes back; it counts from an arbitrary moment. */
  monotonicMs(): number;
  /** Calls back once, not before `delayMs`; keeps no process alive. */
  after(delayMs: number, callback: () => void): { cancel(): void };
  /** Calls back once this turn of the event loop has handed out its I/O: where a turn's requests go over. */
  endOfTurn(callback: () => void): void;
}

const ORIGIN_READINGS = 8;

/**
 * The zero of this thread's `performance.now`, on the clock that all threads share. A thread that has to wait for its
 * core between the readings of both finds it too early, by up to tens of ms, and never too late: the latest found counts.
 */
export function threadOriginMs(sharedMs: () => number, threadMs: () => number): number {
  let originMs = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < ORIGIN_READINGS; i++) originMs = Math.max(originMs, sharedMs() - threadMs());
  return originMs;
}

/** `performance.now` counts from the start of its thread; with this it is the same in all threads. */
const THREAD_ORIGIN_MS = threadOriginMs(
  () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  () => performance.now(),
);

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

/** A secret for the hashes of a directory, of bytes that nobody can guess. */
export function drawHashSeed(drawBytes: (count: number) => Uint8Array = systemBytes): HashSeed {
  const bytes = drawBytes(8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { low: view.getUint32(0, true), high: view.getUint32(4, true) };
}

function systemBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

import type { HashSeed } from './format/hash.ts';

/**
 * Time, turns and chance as the engine needs them; the only raw ones in the package. A simulation hands in its own.
 */
export interface EngineClock {
  /** Wall clock, ms since the Unix epoch. */
  nowMs(): number;
  /** Never goes back. */
  monotonicMs(): number;
  /** Calls back once, not before `delayMs`; keeps no process alive. */
  after(delayMs: number, callback: () => void): { cancel(): void };
  /** Calls back once this turn of the event loop has handed out its I/O: where a turn's requests go over. */
  endOfTurn(callback: () => void): void;
}

export const systemEngineClock: EngineClock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
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

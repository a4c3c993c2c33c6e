/**
 * An entry encoder that does three things in the reader thread that runs it, by functions that a profile must show: it
 * computes, blocks for long, and waits as for a lock. Behind each value it writes how long each took, in milliseconds.
 */
import type { EntryEncoder } from '../../../native-free-lsm/index.ts';

const HOT_MS = 20;
const BLOCK_MS = 50;
const WAIT_MS = 20;

const words = new Int32Array(new SharedArrayBuffer(4));
let hotMs = 0;
let blockMs = 0;

/** Of CPU time, so that a busy machine does not shorten it. */
function burn(ms: number): void {
  const before = process.threadCpuUsage();
  const used = (): number => {
    const { system, user } = process.threadCpuUsage(before);
    return (system + user) / 1000;
  };
  while (used() < ms) for (let i = 1; i < 20_000; i++) words[0] = (words[0] * 31 + i) | 0;
  words[0] = 0;
}

function plantedHot(): void {
  burn(HOT_MS);
}

function plantedBlock(): void {
  burn(BLOCK_MS);
}

function plantedWait(): void {
  // Nobody notifies it.
  Atomics.wait(words, 0, 0, WAIT_MS);
}

function timed(planted: () => void): number {
  const beganMs = performance.now();
  planted();
  return performance.now() - beganMs;
}

export const encoder: EntryEncoder = {
  overheadBytes: 24,
  writeHead(_target, at) {
    hotMs = timed(plantedHot);
    return at;
  },
  writeMiddle(_target, at) {
    blockMs = timed(plantedBlock);
    return at;
  },
  writeTail(target, at) {
    const view = new DataView(target.buffer, target.byteOffset + at, 24);
    view.setFloat64(0, hotMs);
    view.setFloat64(8, blockMs);
    view.setFloat64(16, timed(plantedWait));
    return at + 24;
  },
};

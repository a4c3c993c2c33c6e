/**
 * Loaded into a node's process before anything else (`--import`). Its wall clock shows what a file says, which is read
 * again and again. The monotonic clock is the machine's.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { CLOCK_FILE_VARIABLE, type ClockSetting } from './clock-file.ts';

const PERIOD_MS = 4;

const file = process.env[CLOCK_FILE_VARIABLE];
if (file !== undefined && isMainThread) preload(file);

function preload(path: string): void {
  const rightMs = Date.now;
  let setting = readSetting(path) ?? { offsetMs: 0, driftMsPerS: 0, fromMs: 0 };
  Date.now = () => {
    const { offsetMs, driftMsPerS, fromMs } = setting;
    const nowMs = rightMs();
    return Math.floor(nowMs + offsetMs + ((nowMs - fromMs) / 1000) * driftMsPerS);
  };
  setInterval(() => {
    setting = readSetting(path) ?? setting;
  }, PERIOD_MS).unref();
}

/** Undefined when the file does not exist: the test has not set the clock yet. */
function readSetting(path: string): ClockSetting | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ClockSetting;
  } catch {
    return undefined;
  }
}

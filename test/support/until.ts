import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;

/** Waits for a condition and checks it every few milliseconds; fails with `explain` when it does not hold in time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  explain: () => string,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms: ${explain()}`);
    await delay(POLL_MS);
  }
}

import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;
/** The most that one look counts for: a process that was stopped for a minute has not waited for one. */
const MAX_LOOK_MS = 1000;

/** Waits for a condition and checks it every few milliseconds; fails with `explain` when it does not hold in time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  explain: () => string,
): Promise<void> {
  let leftMs = timeoutMs;
  let lookMs = performance.now();
  while (!(await condition())) {
    const nowMs = performance.now();
    leftMs -= Math.min(nowMs - lookMs, MAX_LOOK_MS);
    lookMs = nowMs;
    if (leftMs < 0) throw new Error(`waited ${timeoutMs} ms: ${explain()}`);
    await delay(POLL_MS);
  }
}

const PRINT_TIMEOUT_MS = 30_000;

/** Waits until a process has printed it: what it prints comes by another way than its answers and its end, and later. */
export async function untilPrinted(process: { readonly output: string }, pattern: RegExp): Promise<void> {
  await until(
    () => pattern.test(process.output),
    PRINT_TIMEOUT_MS,
    () => `${pattern} is not in ${process.output}`,
  );
}

/** Of so many tries a machine that is busy with other things is quick in one, and whoever waits for a timeout in none. */
const TRIES = 10;

/** Fails when `act` never takes less than `mostMs`; it is done again while it takes longer. */
export async function takesLessThan(mostMs: number, act: () => Promise<void>): Promise<void> {
  let leastMs = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < TRIES && leastMs >= mostMs; tries++) {
    const startMs = performance.now();
    await act();
    leastMs = Math.min(leastMs, performance.now() - startMs);
  }
  if (leastMs >= mostMs)
    throw new Error(`it took ${leastMs.toFixed(0)} ms and more, not less than ${mostMs}`);
}

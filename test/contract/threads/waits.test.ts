import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemEngineClock } from '../../../native-free-lsm/clock.ts';
import { ThreadTable } from '../../../native-free-lsm/shared/thread-table.ts';
import { EngineThreads } from '../../../native-free-lsm/threads/engine-threads.ts';
import { until } from '../../support/until.ts';

const WAITS = 8;
const LOCKED_MS = 25;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('a thread that waits for a lock has that wait, as long as it was, and the one it is in', async (t) => {
  const table = ThreadTable.create(2);
  const lock = new SharedArrayBuffer(8);
  const words = new Int32Array(lock);
  const thread = new Worker(new URL('./wait-thread.ts', import.meta.url), {
    workerData: { table: table.memory, lock, waits: WAITS },
  });
  t.after(() => thread.terminate());
  const threads = new EngineThreads(table, () => [thread], systemEngineClock);
  const release = (turn: number): void => {
    Atomics.store(words, 0, turn);
    Atomics.notify(words, 0);
  };
  assert.deepEqual(await once(thread, 'message'), ['ready']);
  assert.deepEqual(
    threads.list().map(({ name }) => name),
    ['reader-3'],
  );
  threads.recordWaits();
  const told = once(thread, 'message');
  for (let turn = 1; turn <= WAITS; turn++) {
    release(turn);
    await pause(LOCKED_MS);
  }
  const lastMs = systemEngineClock.monotonicMs();
  release(WAITS + 1);
  const [[leastMs, mostMs]] = (await told) as [[number, number]];
  await until(
    // The thread stores it once the wait has begun, which is then before the next reading of the clock.
    () => Atomics.load(words, 1) === WAITS + 1,
    30_000,
    () => 'the thread does not wait again',
  );
  const begunMs = systemEngineClock.monotonicMs();
  await pause(2 * LOCKED_MS);
  const takenMs = systemEngineClock.monotonicMs();
  const [{ sites, thread: name }] = threads.takeWaits();
  const afterMs = systemEngineClock.monotonicMs() - lastMs;

  assert.equal(name, 'reader-3');
  const [{ buckets, count, path, totalMs }] = sites;
  assert.deepEqual(path, ['ring', 'full: waits for answers to be taken']);
  assert.equal(count, WAITS + 1);
  assert.equal(
    buckets.reduce((sum, waits) => sum + waits, 0),
    count,
  );
  // The last wait began after the thread was let go of, and was not over.
  const [least, most] = [leastMs + takenMs - begunMs, mostMs + afterMs];
  assert.ok(totalMs >= least * 0.9 && totalMs <= most * 1.1, `${totalMs} of ${least} to ${most}`);
  assert.equal(threads.takeWaits()[0].sites.length > 0, true, 'the figures stay until the next recording');

  threads.recordWaits();
  assert.deepEqual(threads.takeWaits()[0].sites, [], 'a wait from before a recording is not of it');
  await thread.terminate();
  threads.forgetDead();
  assert.deepEqual(threads.list(), []);
  assert.equal(table.take(7), 0, 'the row of a dead thread is free');
});

import { parentPort, threadId, workerData } from 'node:worker_threads';
import { systemEngineClock } from '../../../native-free-lsm/clock.ts';
import { ThreadRole } from '../../../native-free-lsm/shared/thread-table.ts';
import { WaitRecorder } from '../../../native-free-lsm/shared/wait-recorder.ts';
import { WaitSiteId } from '../../../native-free-lsm/shared/wait-sites.ts';

const {
  table,
  lock,
  waits: count,
} = workerData as {
  table: SharedArrayBuffer;
  lock: SharedArrayBuffer;
  waits: number;
};
const words = new Int32Array(lock);
const waits = WaitRecorder.ofThread(table, threadId, systemEngineClock);
waits.become(ThreadRole.reader, 3);
parentPort!.postMessage('ready');

/** Of the waits before: what they were at least, and at most, as a busy machine may stop this thread between two calls. */
let leastMs = 0;
let mostMs = 0;

/** As a lock: it is taken until main lets go of it. */
function awaitLock(turn: number): void {
  const beforeMs = performance.now();
  const began = waits.begin(WaitSiteId.answerRoom);
  const beganMs = performance.now();
  // Main reads it after the wait has begun, which is what the order of both stores is for.
  Atomics.store(words, 1, turn);
  Atomics.wait(words, 0, turn);
  const endMs = performance.now();
  waits.end(WaitSiteId.answerRoom, began);
  leastMs += endMs - beganMs;
  mostMs += performance.now() - beforeMs;
}

Atomics.wait(words, 0, 0);
for (let turn = 1; turn <= count; turn++) awaitLock(turn);
parentPort!.postMessage([leastMs, mostMs]);
awaitLock(count + 1);

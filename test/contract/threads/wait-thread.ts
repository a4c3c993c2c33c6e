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

/** As a lock: it is taken until main lets go of it. */
function awaitLock(turn: number): number {
  const beganMs = performance.now();
  const began = waits.begin(WaitSiteId.answerRoom);
  Atomics.wait(words, 0, turn);
  waits.end(WaitSiteId.answerRoom, began);
  return performance.now() - beganMs;
}

Atomics.wait(words, 0, 0);
let waitedMs = 0;
for (let turn = 1; turn <= count; turn++) waitedMs += awaitLock(turn);
parentPort!.postMessage(waitedMs);
awaitLock(count + 1);

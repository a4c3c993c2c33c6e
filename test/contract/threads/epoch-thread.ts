import { parentPort, workerData } from 'node:worker_threads';
import { nextFrame, payloadStart } from '../../../native-free-lsm/format/frame.ts';
import { readUint32 } from '../../../native-free-lsm/format/integers.ts';
import { RingConsumer } from '../../../native-free-lsm/shared/ring.ts';
import { checkRoom, END_COMMAND, type EpochThreadData } from './epoch-rooms.ts';

const { rooms, requests } = workerData as EpochThreadData;
const words = new Uint32Array(rooms);
const consumer = new RingConsumer(requests);
let looks = 0;
for (let ended = false; !ended; ) {
  consumer.wait(Number.POSITIVE_INFINITY);
  // One command a run: what it names may be reused as soon as it is released.
  if (!consumer.nextRun(1)) continue;
  const { bytes, runStart, runEnd } = consumer;
  for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
    const command = payloadStart(at);
    const [room, tenant] = [readUint32(bytes, command), readUint32(bytes, command + 4)];
    if (room === END_COMMAND) ended = true;
    // Twice, so that a room that changes hands meanwhile is seen.
    else for (let i = 0; i < 2; i++, looks++) checkRoom(words, room, tenant);
  }
  consumer.release();
}
parentPort!.postMessage(looks);

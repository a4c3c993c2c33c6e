import { parentPort, workerData } from 'node:worker_threads';
import { RingConsumer, RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import { consumeRun, type RingRun } from './ring-frames.ts';
import { randomFrom } from './thread.ts';

const { ring, frames, seed } = workerData as RingRun;
const consumer = new RingConsumer(ring);
const { maxPayloadBytes } = new RingProducer(ring);
const random = randomFrom(seed);
let sleeps = 0;
for (let tag = 0; tag < frames; ) {
  if (consumer.empty) {
    sleeps++;
    consumer.wait(Number.POSITIVE_INFINITY);
  }
  tag += consumeRun(consumer, tag, 1 << random(12), maxPayloadBytes);
}
parentPort!.postMessage(sleeps);

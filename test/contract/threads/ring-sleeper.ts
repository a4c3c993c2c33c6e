import { parentPort, workerData } from 'node:worker_threads';
import { RingConsumer } from '../../../native-free-lsm/shared/ring.ts';

const { ring } = workerData as { ring: SharedArrayBuffer };
const consumer = new RingConsumer(ring);
consumer.wait(Number.POSITIVE_INFINITY);
parentPort!.postMessage(consumer.empty);

import { parentPort, workerData } from 'node:worker_threads';
import { RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import { produce, type RingRun } from './ring-frames.ts';

const { ring, frames, seed, doorbell } = workerData as RingRun;
const bell = doorbell === undefined ? undefined : { words: new Int32Array(doorbell), index: 0 };
produce(new RingProducer(ring, bell), frames, seed);
parentPort!.postMessage('done');

import { parentPort, workerData } from 'node:worker_threads';
import { BlockCacheReader } from '../../../native-free-lsm/cache/block-cache-reader.ts';
import { slotStart } from '../../../native-free-lsm/cache/cache-layout.ts';
import { frameTag, nextFrame, payloadStart } from '../../../native-free-lsm/format/frame.ts';
import { readUint32, writeUint32 } from '../../../native-free-lsm/format/integers.ts';
import { RingConsumer, RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import {
  blockBytes,
  CacheCommand,
  type CacheThreadData,
  checkBlock,
  fillBlock,
  ORDINALS,
  TABLES,
} from './cache-block.ts';
import { randomFrom } from './thread.ts';

const { memory, requests, responses, doorbell } = workerData as CacheThreadData;
const reader = new BlockCacheReader(memory);
const consumer = new RingConsumer(requests);
const producer = new RingProducer(responses, { words: new Int32Array(doorbell), index: 0 });
let found = 0;
let missed = 0;

function look(seed: number, oldestTable: number): void {
  const random = randomFrom(seed);
  const held: [number, number, number, number][] = [];
  for (let i = 0; i < 30; i++) {
    const tableId = oldestTable + random(TABLES);
    const ordinal = random(ORDINALS);
    if (reader.find(tableId, ordinal)) {
      checkBlock(reader.bytes, reader.dataStart, reader.dataEnd, tableId, ordinal);
      held.push([reader.dataStart, reader.dataEnd, tableId, ordinal]);
      found++;
    } else missed++;
  }
  // What was found first must still be there at the end.
  for (const [start, end, tableId, ordinal] of held) checkBlock(reader.bytes, start, end, tableId, ordinal);
}

/** Stops like a thread that is killed in the middle of a read from disk. */
function dieHere(): void {
  parentPort!.postMessage('half filled');
  const never = new Int32Array(new SharedArrayBuffer(4));
  // A word that no other thread has.
  Atomics.wait(never, 0, 0);
}

for (let ended = false; !ended; ) {
  consumer.wait(Number.POSITIVE_INFINITY);
  if (!consumer.nextRun(64)) continue;
  const { bytes } = consumer;
  for (let at = consumer.runStart; at < consumer.runEnd; at = nextFrame(bytes, at)) {
    const command = payloadStart(at);
    const [first, second, third] = [0, 4, 8].map((offset) => readUint32(bytes, command + offset));
    if (frameTag(bytes, at) === CacheCommand.end) ended = true;
    else if (frameTag(bytes, at) === CacheCommand.look) look(first, second);
    else {
      const isHalf = frameTag(bytes, at) === CacheCommand.fillHalf;
      const whole = blockBytes(second, third);
      fillBlock(reader.bytes, slotStart(first), second, third, isHalf ? whole >>> 1 : whole);
      if (isHalf) dieHere();
      writeUint32(producer.bytes, producer.reserve(4), first);
      producer.push(CacheCommand.fill);
    }
  }
  consumer.release();
  producer.publish();
}
parentPort!.postMessage({ found, missed });

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BlockCache, createBlockCacheMemory } from '../../../native-free-lsm/cache/block-cache.ts';
import { readUint32, writeUint32 } from '../../../native-free-lsm/format/record.ts';
import { EpochDomain } from '../../../native-free-lsm/shared/epochs.ts';
import {
  createRing,
  nextFrame,
  payloadStart,
  RingConsumer,
  RingProducer,
} from '../../../native-free-lsm/shared/ring.ts';
import {
  blockBytes,
  CacheCommand,
  type CacheThreadData,
  checkBlock,
  ORDINALS,
  TABLES,
} from './cache-block.ts';
import { randomFrom, runThread, STRESS } from './thread.ts';

const RING_BYTES = 16 << 10;

/** The main thread's end of one pool thread. */
class Lane {
  readonly producer: RingProducer;
  readonly responses: RingConsumer;
  readonly result: Promise<{ found: number; missed: number }>;

  constructor(t: TestContext, memory: SharedArrayBuffer, doorbell: SharedArrayBuffer) {
    const data = { memory, requests: createRing(RING_BYTES), responses: createRing(RING_BYTES), doorbell };
    this.producer = new RingProducer(data.requests);
    this.responses = new RingConsumer(data.responses);
    this.result = runThread(t, './cache-thread.ts', data satisfies CacheThreadData);
  }

  /** Bytes of a command in the ring. */
  static readonly commandBytes = 24;

  get hasRoom(): boolean {
    return this.producer.usedBytes + 2 * Lane.commandBytes < RING_BYTES / 2;
  }

  send(command: number, first = 0, second = 0, third = 0): void {
    const at = this.producer.reserve(12);
    writeUint32(this.producer.bytes, at, first);
    writeUint32(this.producer.bytes, at + 4, second);
    writeUint32(this.producer.bytes, at + 8, third);
    this.producer.push(command);
  }
}

test('threads fill and read a block cache while it is full and moving', {
  timeout: 60_000 * STRESS,
}, async (t) => {
  const memory = createBlockCacheMemory(512 << 10);
  const epochs = new EpochDomain();
  const cache = new BlockCache(memory, epochs);
  const doorbell = new SharedArrayBuffer(4);
  const bell = new Int32Array(doorbell);
  const [filler, reader] = [new Lane(t, memory, doorbell), new Lane(t, memory, doorbell)];
  for (const { producer } of [filler, reader]) epochs.register(producer);

  const random = randomFrom(11);
  let fills = 0;
  let inFlight = 0;
  let looks = 0;
  let oldestTable = 1;
  const finishFills = () => {
    while (filler.responses.nextRun(RING_BYTES)) {
      const { bytes, runStart, runEnd } = filler.responses;
      for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
        const slot = readUint32(bytes, payloadStart(at));
        if (random(50) === 0) cache.cancel(slot);
        else cache.publish(slot);
        inFlight--;
      }
      filler.responses.release();
    }
  };

  for (let turn = 0; fills < 5000 * STRESS; turn++) {
    const seen = Atomics.load(bell, 0);
    finishFills();
    if (turn % 200 === 199) cache.removeTable(oldestTable++);
    for (let i = 0; i < 20 && filler.hasRoom; i++) {
      // Some blocks much more often than others.
      const tableId = oldestTable + random(TABLES);
      const ordinal = random(2) === 0 ? random(ORDINALS) : random(20);
      const slot = cache.find(tableId, ordinal);
      if (slot >= 0) checkBlock(cache.bytes, cache.dataStart(slot), cache.dataEnd(slot), tableId, ordinal);
      else {
        const reserved = cache.reserve(tableId, ordinal, blockBytes(tableId, ordinal));
        if (reserved < 0) continue;
        filler.send(CacheCommand.fill, reserved, tableId, ordinal);
        fills++;
        inFlight++;
      }
    }
    if (reader.hasRoom) reader.send(CacheCommand.look, ++looks, oldestTable);
    for (const { producer } of [filler, reader]) producer.publish();
    // Mostly until something is filled; else the threads' turns and ours overlap.
    if (inFlight > 0 && random(4) !== 0) await Atomics.waitAsync(bell, 0, seen).value;
  }
  while (inFlight > 0) {
    const seen = Atomics.load(bell, 0);
    finishFills();
    if (inFlight > 0) await Atomics.waitAsync(bell, 0, seen).value;
  }
  for (const lane of [filler, reader]) {
    lane.send(CacheCommand.end);
    lane.producer.publish();
  }
  await filler.result;
  const { found, missed } = await reader.result;
  epochs.collect();
  assert.equal(epochs.pending, 0);
  assert.ok(cache.hits > 0 && cache.misses > fills);
  assert.ok(found > 0 && missed > 0);
  t.diagnostic(`${fills} fills, ${cache.hits} hits; the reading thread found ${found}, missed ${missed}`);
});

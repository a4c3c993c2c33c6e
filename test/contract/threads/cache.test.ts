import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockCache, createBlockCacheMemory } from '../../../native-free-lsm/cache/block-cache.ts';
import { nextFrame, payloadStart } from '../../../native-free-lsm/format/frame.ts';
import { readUint32 } from '../../../native-free-lsm/format/integers.ts';
import { EpochDomain } from '../../../native-free-lsm/shared/epochs.ts';
import { HASH_SEED } from '../../support/hash-flood.ts';
import { until } from '../../support/until.ts';
import { blockBytes, CacheCommand, checkBlock, fillBlock, ORDINALS, TABLES } from './cache-block.ts';
import { CacheChannel, CHANNEL_RING_BYTES } from './cache-channel.ts';
import { randomFrom, STRESS } from './thread.ts';

test('threads fill and read a block cache while it is full and moving', {
  timeout: 240_000 * STRESS,
}, async (t) => {
  const memory = createBlockCacheMemory(512 << 10, HASH_SEED);
  const epochs = new EpochDomain();
  const cache = new BlockCache(memory, epochs);
  const doorbell = new SharedArrayBuffer(4);
  const bell = new Int32Array(doorbell);
  const [filler, reader] = [new CacheChannel(t, memory, doorbell), new CacheChannel(t, memory, doorbell)];
  for (const { producer } of [filler, reader]) epochs.register(producer);

  const random = randomFrom(11);
  let fills = 0;
  let inFlight = 0;
  let looks = 0;
  let oldestTable = 1;
  const finishFills = () => {
    while (filler.responses.nextRun(CHANNEL_RING_BYTES)) {
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
    // Mostly waits until something is filled; otherwise the threads' turns and ours overlap.
    if (inFlight > 0 && random(4) !== 0) await Atomics.waitAsync(bell, 0, seen).value;
  }
  while (inFlight > 0) {
    const seen = Atomics.load(bell, 0);
    finishFills();
    if (inFlight > 0) await Atomics.waitAsync(bell, 0, seen).value;
  }
  for (const channel of [filler, reader]) {
    channel.send(CacheCommand.end);
    channel.producer.publish();
  }
  await filler.result;
  const { found, missed } = await reader.result;
  epochs.collect();
  assert.equal(epochs.pending, 0);
  assert.ok(cache.hits > 0 && cache.misses > fills);
  assert.ok(found > 0 && missed > 0);
  t.diagnostic(`${fills} fills, ${cache.hits} hits; the reading thread found ${found}, missed ${missed}`);
});

test('when a thread dies while it fills a block, nobody sees the half of it, and the next thread fills it whole', {
  timeout: 240_000 * STRESS,
}, async (t) => {
  const memory = createBlockCacheMemory(256 << 10, HASH_SEED);
  const epochs = new EpochDomain();
  const cache = new BlockCache(memory, epochs);
  const doorbell = new SharedArrayBuffer(4);
  const reader = new CacheChannel(t, memory, doorbell);
  epochs.register(reader.producer);
  let filler = new CacheChannel(t, memory, doorbell);
  const place = epochs.register(filler.producer);
  const random = randomFrom(5);
  let looks = 0;
  const look = (): void => {
    while (reader.hasRoom) reader.send(CacheCommand.look, ++looks, 1);
    reader.producer.publish();
  };
  /** There is room once the reading thread has gone on. */
  const reserved = async (tableId: number, ordinal: number): Promise<number> => {
    let slot = -1;
    await until(
      () => {
        slot = cache.reserve(tableId, ordinal, blockBytes(tableId, ordinal));
        return slot >= 0;
      },
      30_000,
      () => `no room for block ${tableId}:${ordinal}`,
    );
    return slot;
  };
  for (let death = 0; death < 5 * STRESS; death++) {
    // Whole blocks, so that the dead thread's region is among others and is reused after a while.
    for (let i = 0; i < 200; i++) {
      const [tableId, ordinal] = [1 + random(TABLES), random(ORDINALS)];
      const slot = cache.reserve(tableId, ordinal, blockBytes(tableId, ordinal));
      if (slot < 0) continue;
      fillBlock(cache.bytes, cache.dataStart(slot), tableId, ordinal);
      cache.publish(slot);
      if (i % 20 === 0) look();
    }
    const [tableId, ordinal] = [TABLES + 1, death];
    const slot = await reserved(tableId, ordinal);
    const half = filler.firstMessage;
    filler.send(CacheCommand.fillHalf, slot, tableId, ordinal);
    filler.producer.publish();
    assert.equal(await half, 'half filled');
    look();
    assert.equal(cache.find(tableId, ordinal), -1);
    assert.equal(cache.reserve(tableId, ordinal, 100), -1, 'it is being filled');
    await filler.kill();
    filler = new CacheChannel(t, memory, doorbell);
    epochs.replace(place, filler.producer);
    cache.cancel(slot);
    assert.equal(cache.find(tableId, ordinal), -1);
    const again = await reserved(tableId, ordinal);
    assert.notEqual(again, slot, 'another region, as the old one may still be read');
    fillBlock(cache.bytes, cache.dataStart(again), tableId, ordinal);
    cache.publish(again);
    checkBlock(cache.bytes, cache.dataStart(again), cache.dataEnd(again), tableId, ordinal);
    look();
  }
  for (const channel of [filler, reader]) {
    while (!channel.hasRoom) await channel.drained();
    channel.send(CacheCommand.end);
    channel.producer.publish();
  }
  const { found } = await reader.result;
  await filler.result;
  epochs.collect();
  assert.equal(epochs.pending, 0);
  assert.ok(found > 0);
  t.diagnostic(`the reading thread found ${found} blocks`);
});

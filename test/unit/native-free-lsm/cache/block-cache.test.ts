import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockCache, createBlockCacheMemory } from '../../../../native-free-lsm/cache/block-cache.ts';
import { BlockCacheReader } from '../../../../native-free-lsm/cache/block-cache-reader.ts';
import { slotStart } from '../../../../native-free-lsm/cache/cache-layout.ts';
import { EpochDomain } from '../../../../native-free-lsm/shared/epochs.ts';
import { createRing, RingConsumer, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

function newCache(budgetBytes: number) {
  const memory = createBlockCacheMemory(budgetBytes, HASH_SEED);
  const epochs = new EpochDomain();
  return { cache: new BlockCache(memory, epochs), reader: new BlockCacheReader(memory), epochs };
}

/** Reserves, fills with a byte that follows from the block's name, publishes; false when there was no room. */
function put(cache: BlockCache, tableId: number, ordinal: number, length: number): boolean {
  const slot = cache.reserve(tableId, ordinal, length);
  if (slot < 0) return false;
  cache.bytes.fill(tableId * 31 + ordinal, cache.dataStart(slot), cache.dataEnd(slot));
  cache.publish(slot);
  return true;
}

function checkBlock(cache: BlockCache, tableId: number, ordinal: number, length: number): void {
  const slot = cache.find(tableId, ordinal);
  assert.ok(slot >= 0, `block ${tableId}:${ordinal}`);
  const block = cache.bytes.subarray(cache.dataStart(slot), cache.dataEnd(slot));
  assert.equal(block.length, length);
  assert.ok(block.every((byte) => byte === ((tableId * 31 + ordinal) & 0xff)));
}

/** How many of a table's first blocks are there. */
function present(reader: BlockCacheReader, tableId: number, ordinals: number): number[] {
  return Array.from({ length: ordinals }, (_, i) => i).filter((ordinal) => reader.find(tableId, ordinal));
}

test('a block is found once it is published, by the main thread and by its readers', () => {
  const { cache, reader } = newCache(64 << 10);
  const slot = cache.reserve(0xffff_fff0, 7, 1000);
  assert.ok(slot >= 0);
  assert.equal(cache.find(0xffff_fff0, 7), -1);
  assert.equal(reader.find(0xffff_fff0, 7), false);
  assert.equal(cache.reserve(0xffff_fff0, 7, 1000), -1, 'being filled already');
  reader.bytes.fill(5, slotStart(slot), slotStart(slot) + 1000);
  cache.publish(slot);
  assert.equal(cache.find(0xffff_fff0, 7), slot);
  assert.ok(reader.find(0xffff_fff0, 7));
  assert.deepEqual([reader.dataStart, reader.dataEnd], [cache.dataStart(slot), cache.dataEnd(slot)]);
  assert.ok(reader.bytes.subarray(reader.dataStart, reader.dataEnd).every((byte) => byte === 5));
  assert.equal(cache.dataEnd(slot) - cache.dataStart(slot), 1000);
  assert.equal(cache.find(0xffff_fff0, 8), -1);
  assert.equal(cache.find(7, 0xffff_fff0), -1);
  assert.equal(cache.reserve(0xffff_fff0, 7, 1000), -1, 'there already');
  assert.deepEqual([cache.hits, cache.misses], [1, 3]);
  assert.ok(cache.usedBytes >= 1000 && cache.usedBytes < 1040);
});

test('a cancelled reservation leaves nothing and can be made again', () => {
  const { cache, reader } = newCache(64 << 10);
  const slot = cache.reserve(1, 1, 500);
  cache.cancel(slot);
  assert.equal(cache.usedBytes, 0);
  assert.equal(reader.find(1, 1), false);
  assert.throws(() => cache.publish(slot), { code: 'INVALID_ARGUMENT' });
  assert.throws(() => cache.cancel(slot), { code: 'INVALID_ARGUMENT' });
  assert.ok(put(cache, 1, 1, 300));
  checkBlock(cache, 1, 1, 300);
});

test('up to fifteen sixteenths of the budget everything stays', () => {
  const { cache } = newCache(1 << 20);
  const blocks = Math.floor((15 * (1 << 20)) / 16 / 4112);
  for (let i = 0; i < blocks; i++) assert.ok(put(cache, 1, i, 4096));
  for (let i = 0; i < blocks; i++) checkBlock(cache, 1, i, 4096);
  assert.equal(cache.usedBytes, blocks * 4112);
});

test('when it is full the oldest go first, but what was used gets a second chance', () => {
  const { cache } = newCache(64 << 10);
  for (let i = 0; i < 55; i++) assert.ok(put(cache, 1, i, 1000));
  for (const ordinal of [0, 3, 20]) checkBlock(cache, 1, ordinal, 1000);
  for (let i = 0; i < 25; i++) assert.ok(put(cache, 2, i, 1000));
  const kept = new Set(Array.from({ length: 55 }, (_, i) => i).filter((i) => cache.find(1, i) >= 0));
  for (const ordinal of [0, 3, 20]) assert.ok(kept.has(ordinal), `block ${ordinal} was used`);
  for (const ordinal of [1, 2, 4, 19]) assert.ok(!kept.has(ordinal), `block ${ordinal} was not`);
  assert.ok(kept.has(54));
  for (const ordinal of kept) checkBlock(cache, 1, ordinal, 1000);
  for (let i = 0; i < 25; i++) checkBlock(cache, 2, i, 1000);
  assert.ok(cache.usedBytes <= 64 << 10);
});

test('when all blocks are in use there is still room for new ones', () => {
  const { cache } = newCache(64 << 10);
  for (let i = 0; i < 500; i++) {
    assert.ok(put(cache, 1, i, 900));
    for (let j = 0; j <= i; j++) cache.find(1, j);
    checkBlock(cache, 1, i, 900);
  }
  assert.ok(cache.usedBytes > 48 << 10);
});

test('blocks of a removed table get no second chance', () => {
  const { cache } = newCache(64 << 10);
  for (let i = 0; i < 40; i++) put(cache, 1 + (i & 1), i, 1000);
  for (let i = 0; i < 40; i++) checkBlock(cache, 1 + (i & 1), i, 1000);
  cache.removeTable(1);
  for (let i = 0; i < 60; i++) put(cache, 3, i, 1000);
  const left = [0, 0];
  for (let i = 0; i < 40; i++) if (cache.find(1 + (i & 1), i) >= 0) left[i & 1]++;
  assert.equal(left[0], 0);
  assert.ok(left[1] > 0);
});

test('only the tables that were removed last are remembered', () => {
  const { cache } = newCache(64 << 10);
  for (let i = 0; i < 40; i++) put(cache, 1 + (i & 1), i, 1000);
  for (let i = 0; i < 40; i++) checkBlock(cache, 1 + (i & 1), i, 1000);
  cache.removeTable(1);
  for (let id = 10_000; id < 14_095; id++) cache.removeTable(id);
  cache.removeTable(2);
  for (let i = 0; i < 60; i++) put(cache, 3, i, 1000);
  const left = [0, 0];
  for (let i = 0; i < 40; i++) if (cache.find(1 + (i & 1), i) >= 0) left[i & 1]++;
  // The first to go was forgotten, which costs room and nothing else.
  assert.ok(left[0] > 0);
  assert.equal(left[1], 0);
});

test('a missed block deserves a place at once while there is room, and then when it is missed again', () => {
  const { cache } = newCache(64 << 10);
  let puts = 0;
  while (cache.deserves(1, puts)) assert.ok(put(cache, 1, puts++, 1000));
  assert.ok(puts > 50 && puts < 64, `${puts} blocks had room`);
  assert.equal(cache.deserves(2, 0), false);
  assert.equal(cache.deserves(2, 1), false);
  assert.ok(cache.deserves(2, 0));
  // Having got its place it begins anew.
  assert.equal(cache.deserves(2, 0), false);
});

test('a block that pushes out one of a removed table deserves its place at once', () => {
  const { cache } = newCache(64 << 10);
  for (let i = 0; cache.deserves(1 + (i & 1), i); i++) put(cache, 1 + (i & 1), i, 1000);
  assert.equal(cache.deserves(3, 0), false);
  cache.removeTable(1);
  assert.ok(cache.deserves(3, 1));
  put(cache, 3, 1, 1000);
  assert.equal(cache.deserves(3, 2), false, 'the next one to go is of the table that is there');
});

test('what is used again and again stays beside any number of blocks that are needed once', () => {
  const { cache } = newCache(64 << 10);
  const read = (tableId: number, ordinal: number): boolean => {
    if (cache.find(tableId, ordinal) >= 0) return true;
    if (cache.deserves(tableId, ordinal)) put(cache, tableId, ordinal, 1000);
    return false;
  };
  let missed = 0;
  for (let i = 0; i < 20_000; i++) {
    // Between two reads of a hot block come so many others that the cache could not hold all of them.
    if (i % 5 === 0) missed += read(1, (i / 5) % 30) ? 0 : 1;
    else read(2, i);
  }
  assert.ok(missed < 150, `${missed} of 4,000 reads of hot blocks missed`);
});

test('blocks above a sixteenth of the budget are not cached, those below fit in any mixture', () => {
  const { cache } = newCache(64 << 10);
  assert.equal(cache.reserve(1, 0, 4096), -1);
  for (let i = 0; i < 300; i++) assert.ok(put(cache, 1, i, i % 7 === 0 ? 4000 : 1 + ((i * 131) % 900)));
  checkBlock(cache, 1, 299, 1 + ((299 * 131) % 900));
});

test('many tiny blocks are held as far as the index goes', () => {
  const { cache, reader } = newCache(64 << 10);
  for (let i = 0; i < 1000; i++) assert.ok(put(cache, 1, i, 1));
  const there = present(reader, 1, 1000);
  assert.ok(there.length >= 32);
  assert.deepEqual(
    there,
    Array.from({ length: there.length }, (_, i) => 1000 - there.length + i),
  );
});

test('a reservation in flight is not overrun: there is no room behind it until it ends', () => {
  const { cache } = newCache(64 << 10);
  for (const ending of ['publish', 'cancel'] as const) {
    const table = ending === 'publish' ? 1 : 2;
    const slot = cache.reserve(table, 1_000_000, 1000);
    assert.ok(slot >= 0);
    cache.bytes.fill(77, cache.dataStart(slot), cache.dataEnd(slot));
    let puts = 0;
    while (put(cache, table, puts, 1000)) puts++;
    assert.ok(puts > 40 && puts < 66, `${puts} blocks fitted`);
    assert.ok(cache.bytes.subarray(cache.dataStart(slot), cache.dataEnd(slot)).every((byte) => byte === 77));
    cache[ending](slot);
    for (let i = 0; i < 100; i++) assert.ok(put(cache, table, puts + i, 1000));
  }
});

test('a region is not reused while a thread may be reading it', () => {
  const { cache, reader, epochs } = newCache(64 << 10);
  const ring = createRing(1024);
  const [producer, consumer] = [new RingProducer(ring), new RingConsumer(ring)];
  epochs.register(producer);
  for (let i = 0; i < 60; i++) put(cache, 1, i, 1000);
  producer.reserve(0);
  producer.push(0);
  producer.publish();
  assert.ok(reader.find(1, 1));
  const held = reader.bytes.subarray(reader.dataStart, reader.dataEnd);
  let puts = 0;
  while (put(cache, 2, puts, 1000)) puts++;
  assert.ok(puts < 66);
  assert.equal(reader.find(1, 1), true, 'nothing was gained by evicting more than the gap');
  assert.ok(held.every((byte) => byte === 32));
  consumer.nextRun(8);
  consumer.release();
  for (let i = 0; i < 120; i++) assert.ok(put(cache, 3, i, 1000));
  assert.equal(reader.find(1, 1), false);
});

test('budgets that are too large for offsets are refused', () => {
  for (const budget of [0, 100, 5 * 2 ** 30, Number.NaN]) {
    assert.throws(() => createBlockCacheMemory(budget, HASH_SEED), { code: 'INVALID_ARGUMENT' });
  }
});

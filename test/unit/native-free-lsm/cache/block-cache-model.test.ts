import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockCache, createBlockCacheMemory } from '../../../../native-free-lsm/cache/block-cache.ts';
import { BlockCacheReader } from '../../../../native-free-lsm/cache/block-cache-reader.ts';
import { EpochDomain } from '../../../../native-free-lsm/shared/epochs.ts';
import { createRing, RingConsumer, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

/** A pool thread that looks blocks up when a command is sent and keeps reading them until it completes it. */
class Reader {
  readonly producer: RingProducer;
  readonly #consumer: RingConsumer;
  readonly #reader: BlockCacheReader;
  readonly #held: { block: Uint8Array; fill: number }[][] = [];

  constructor(memory: SharedArrayBuffer) {
    const ring = createRing(8192);
    this.producer = new RingProducer(ring);
    this.#consumer = new RingConsumer(ring);
    this.#reader = new BlockCacheReader(memory);
  }

  command(names: readonly string[], contents: ReadonlyMap<string, Content>): void {
    if (this.producer.reserve(0) < 0) return;
    this.producer.push(0);
    this.producer.publish();
    const blocks: { block: Uint8Array; fill: number }[] = [];
    for (const name of names) {
      const [tableId, ordinal] = name.split(':').map(Number);
      if (!this.#reader.find(tableId, ordinal)) continue;
      const block = this.#reader.bytes.subarray(this.#reader.dataStart, this.#reader.dataEnd);
      const content = contents.get(name);
      assert.ok(content?.published, 'only published blocks are found');
      assert.equal(block.length, content.length);
      blocks.push({ block, fill: content.fill });
    }
    this.#held.push(blocks);
  }

  complete(): void {
    if (!this.#consumer.nextRun(1)) return;
    this.check();
    this.#held.shift();
    this.#consumer.release();
  }

  check(): void {
    for (const { block, fill } of this.#held.flat()) assert.ok(block.every((byte) => byte === fill));
  }
}

interface Content {
  readonly slot: number;
  readonly length: number;
  readonly fill: number;
  published: boolean;
}

const name = fc.tuple(fc.nat(2), fc.nat(40)).map(([tableId, ordinal]) => `${tableId}:${ordinal}`);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      name,
      length: fc.integer({ min: 1, max: 270 }),
    }),
  },
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('publish' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), pick: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('find' as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), tableId: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('command' as const), reader: fc.nat(1), names: fc.array(name) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('complete' as const), reader: fc.nat(1) }) },
);

test('a block cache is a map that may forget, and what a thread has found stays until it has passed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
      const memory = createBlockCacheMemory(4096, HASH_SEED);
      const epochs = new EpochDomain();
      const cache = new BlockCache(memory, epochs);
      const readers = [new Reader(memory), new Reader(memory)];
      for (const { producer } of readers) epochs.register(producer);
      const contents = new Map<string, Content>();
      const filling = new Map<string, Content>();
      let fill = 0;
      for (const each of steps) {
        if (each.kind === 'reserve') {
          const [tableId, ordinal] = each.name.split(':').map(Number);
          const slot = cache.reserve(tableId, ordinal, each.length);
          assert.ok(slot < 0 || !filling.has(each.name));
          if (slot < 0) continue;
          fill = (fill + 1) & 0xff;
          const content = { slot, length: each.length, fill, published: false };
          filling.set(each.name, content);
          contents.set(each.name, content);
          cache.bytes.fill(fill, cache.dataStart(slot), cache.dataEnd(slot));
        } else if (each.kind === 'publish' || each.kind === 'cancel') {
          if (filling.size === 0) continue;
          const [key, content] = [...filling][each.pick % filling.size];
          // Nobody wrote to it while it was being filled.
          const region = cache.bytes.subarray(cache.dataStart(content.slot), cache.dataEnd(content.slot));
          assert.equal(region.length, content.length);
          assert.ok(region.every((byte) => byte === content.fill));
          cache[each.kind](content.slot);
          content.published = each.kind === 'publish';
          filling.delete(key);
          if (each.kind === 'cancel') contents.delete(key);
        } else if (each.kind === 'find') {
          const [tableId, ordinal] = each.name.split(':').map(Number);
          const slot = cache.find(tableId, ordinal);
          if (slot < 0) continue;
          const content = contents.get(each.name);
          assert.ok(content?.published);
          const block = cache.bytes.subarray(cache.dataStart(slot), cache.dataEnd(slot));
          assert.equal(block.length, content.length);
          assert.ok(block.every((byte) => byte === content.fill));
        } else if (each.kind === 'remove') cache.removeTable(each.tableId);
        else if (each.kind === 'command') readers[each.reader].command(each.names, contents);
        else readers[each.reader].complete();
        for (const reader of readers) reader.check();
        assert.ok(cache.usedBytes <= 4096);
      }
    }),
    { numRuns: 100 },
  );
});

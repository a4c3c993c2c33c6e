import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockCache, createBlockCacheMemory } from '../../../../native-free-lsm/cache/block-cache.ts';
import { BlockCacheReader } from '../../../../native-free-lsm/cache/block-cache-reader.ts';
import { EpochDomain } from '../../../../native-free-lsm/shared/epochs.ts';
import type { BlockSource } from '../../../../native-free-lsm/sstable/block-source.ts';
import { CachedWindow } from '../../../../native-free-lsm/sstable/cached-window.ts';
import { TableIndex, TableIndexBuilder } from '../../../../native-free-lsm/sstable/table-index.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const TABLE_ID = 7;
const BLOCK_BYTES = 100;

/** Says what was asked of it; a block is full of its number. */
class CountedFile implements BlockSource {
  readonly bytes = new Uint8Array(BLOCK_BYTES + 3);
  start = 0;
  end = 0;
  ordinal = 0;
  readonly calls: string[] = [];

  expectWalk(): void {
    this.calls.push('walk');
  }

  expectSeek(): void {
    this.calls.push('seek');
  }

  enter(ordinal: number): void {
    this.calls.push(`block ${ordinal}`);
    this.ordinal = ordinal;
    this.bytes.fill(ordinal);
    this.start = 3;
    this.end = 3 + BLOCK_BYTES;
  }

  damaged(fault: string): Error {
    return new Error(fault);
  }
}

function indexOf(blocks: number): TableIndex {
  const builder = new TableIndexBuilder();
  for (let block = 0; block < blocks; block++)
    builder.addBlock(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES, BLOCK_BYTES, Buffer.from([block]), 1);
  const stored = builder.finish();
  const memory = new SharedArrayBuffer(stored.length);
  new Uint8Array(memory).set(stored);
  return new TableIndex(memory, 0);
}

test('blocks come from the cache where they are there, and else from the file, which is asked for no others', () => {
  const memory = createBlockCacheMemory(64 << 10, HASH_SEED);
  const cache = new BlockCache(memory, new EpochDomain());
  const slot = cache.reserve(TABLE_ID, 1, BLOCK_BYTES);
  cache.bytes.fill(11, cache.dataStart(slot), cache.dataEnd(slot));
  cache.publish(slot);
  const file = new CountedFile();
  const window = new CachedWindow(new BlockCacheReader(memory), TABLE_ID, '7.sst', indexOf(3), file);
  window.expectSeek();
  const seen = [0, 1, 2, 1, 0].map((ordinal) => {
    window.enter(ordinal);
    assert.equal(window.ordinal, ordinal);
    const block = window.bytes.subarray(window.start, window.end);
    assert.equal(block.length, BLOCK_BYTES);
    assert.ok(block.every((byte) => byte === block[0]));
    return block[0];
  });
  window.expectWalk();
  assert.deepEqual(seen, [0, 11, 2, 11, 0]);
  assert.deepEqual(file.calls, ['seek', 'block 0', 'block 2', 'block 0', 'walk']);
  assert.equal(cache.usedBytes, BLOCK_BYTES + 28, 'nothing has come into the cache');
});

test('damage is told of by the place of its block in the file, wherever that was found', () => {
  const memory = createBlockCacheMemory(64 << 10, HASH_SEED);
  const cache = new BlockCache(memory, new EpochDomain());
  cache.publish(cache.reserve(TABLE_ID, 2, BLOCK_BYTES));
  const window = new CachedWindow(
    new BlockCacheReader(memory),
    TABLE_ID,
    '7.sst',
    indexOf(3),
    new CountedFile(),
  );
  for (const ordinal of [2, 1]) {
    window.enter(ordinal);
    const { message } = window.damaged('an entry does not fit');
    assert.ok(message.includes('7.sst') && message.includes(`${ordinal * BLOCK_BYTES}`), message);
  }
});

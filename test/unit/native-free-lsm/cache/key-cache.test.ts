import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockCache, createBlockCacheMemory } from '../../../../native-free-lsm/cache/block-cache.ts';
import { KeyCache, keyCacheBytes } from '../../../../native-free-lsm/cache/key-cache.ts';
import { EpochDomain } from '../../../../native-free-lsm/shared/epochs.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const BUDGET_BYTES = 16 << 10;
const RECORD_AT = 10;
const RECORD_BYTES = 4;

function newCaches(entryBytes = BUDGET_BYTES) {
  const cache = new BlockCache(createBlockCacheMemory(BUDGET_BYTES, HASH_SEED), new EpochDomain());
  return { cache, keys: new KeyCache(cache, keyCacheBytes(entryBytes)) };
}

/** A block of which each byte says whose it is; returns its slot. */
function put(cache: BlockCache, tableId: number, ordinal: number, length: number): number {
  const slot = cache.reserve(tableId, ordinal, length);
  cache.bytes.fill(contentOf(tableId, ordinal), cache.dataStart(slot), cache.dataEnd(slot));
  cache.publish(slot);
  return slot;
}

function contentOf(tableId: number, ordinal: number): number {
  return (tableId * 31 + ordinal * 7) & 0xff;
}

function add(caches: ReturnType<typeof newCaches>, key: Buffer, hash: number, tableId = 5, superVersion = 1) {
  const slot = put(caches.cache, tableId, hash & 0xffff, 200);
  const start = caches.cache.dataStart(slot) + RECORD_AT;
  caches.keys.add(superVersion, tableId, hash, key, slot, start, start + RECORD_BYTES);
  return start;
}

test('a key is found where it was, and no other key of its hash', () => {
  const caches = newCaches();
  const { cache, keys } = caches;
  const key = Buffer.from('a key');
  const hash = 0xfedc_ba98;
  assert.equal(keys.find(hash, key), false);
  assert.equal(keys.find(0, Buffer.alloc(0)), false, 'a free place has no key');
  const start = add(caches, key, hash);
  assert.ok(keys.find(hash, key));
  assert.deepEqual([keys.tableId, keys.recordStart, keys.recordEnd], [5, start, start + RECORD_BYTES]);
  for (const other of ['b key', 'a ke', 'a key ', ''])
    assert.equal(keys.find(hash, Buffer.from(other)), false);
  assert.equal(keys.find(hash ^ 0x100, key), false);
  assert.equal(cache.hits, 0);
});

test('a table is the first to have a key in super-versions alone for which that was found', () => {
  const caches = newCaches();
  const { cache, keys } = caches;
  const key = Buffer.from('a key');
  add(caches, key, 77, 5, 0xffff_fff0);
  assert.ok(keys.find(77, key));
  assert.ok(keys.isFirst(0xffff_fff0));
  assert.equal(cache.hits, 1, 'its block counts as found');
  assert.equal(keys.isFirst(0xffff_fff1), false);
  keys.confirm(0xffff_fff1);
  assert.ok(keys.isFirst(0xffff_fff1));
  assert.equal(keys.isFirst(0xffff_fff0), false);
});

test('a key takes the place of one of four others, and one that is too long none', () => {
  const caches = newCaches(1);
  const { keys } = caches;
  const known = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh'].map((text) =>
    Buffer.from(text),
  );
  for (const [hash, key] of known.entries()) {
    add(caches, key, hash);
    assert.ok(keys.find(hash, key));
    const kept = known.filter((other, i) => keys.find(i, other));
    assert.equal(kept.length, Math.min(4, hash + 1));
  }
  // What has a place keeps it.
  add(caches, known[6], 6, 8);
  assert.ok(keys.find(6, known[6]));
  assert.equal(keys.tableId, 8);
  const long = Buffer.alloc(33, 'x');
  add(caches, long, 7);
  assert.equal(keys.find(7, long), false);
  assert.ok(keys.find(6, known[6]));
  const longest = long.subarray(1);
  add(caches, longest, 8);
  assert.ok(keys.find(8, longest));
});

test('a place is forgotten when its block moves or goes, and never leads to other bytes', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const below = (bound: number): number => Math.floor(random() * bound);
    const { cache, keys } = newCaches();
    let found = 0;
    let forgotten = 0;
    for (let step = 0; step < 1000; step++) {
      const tableId = 1 + below(3);
      const ordinal = below(40);
      const key = Buffer.from(`${tableId} ${ordinal}`);
      const hash = Math.imul(tableId * 40 + ordinal, 0x9e37_79b1) >>> 0;
      if (keys.find(hash, key)) {
        found++;
        assert.equal(keys.tableId, tableId);
        const record = cache.bytes.subarray(keys.recordStart, keys.recordEnd);
        assert.deepEqual([...record], new Array(RECORD_BYTES).fill(contentOf(tableId, ordinal)));
        continue;
      }
      let slot = cache.find(tableId, ordinal);
      if (slot >= 0) forgotten++;
      else if (random() < 0.1) cache.removeTable(1 + below(3));
      else slot = put(cache, tableId, ordinal, 50 + below(500));
      if (slot < 0) continue;
      const start = cache.dataStart(slot) + RECORD_AT;
      keys.add(1, tableId, hash, key, slot, start, start + RECORD_BYTES);
    }
    assert.ok(found > 50 && forgotten > 5, `${found} found, ${forgotten} of cached blocks forgotten`);
  }
});

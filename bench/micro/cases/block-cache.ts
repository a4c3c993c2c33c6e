import { BlockCache, createBlockCacheMemory } from '../../../native-free-lsm/cache/block-cache.ts';
import { BlockCacheReader } from '../../../native-free-lsm/cache/block-cache-reader.ts';
import { EpochDomain } from '../../../native-free-lsm/shared/epochs.ts';
import { HASH_SEED, shuffledIndexes } from '../inputs.ts';
import type { MicroCase, PreparedCase } from '../micro-case.ts';

const BLOCKS = 512;
const BLOCK_BYTES = 4000;
const BUDGET_BYTES = 4 << 20;

function filledCache(): { memory: SharedArrayBuffer; cache: BlockCache } {
  const memory = createBlockCacheMemory(BUDGET_BYTES, HASH_SEED);
  const cache = new BlockCache(memory, new EpochDomain());
  for (let ordinal = 0; ordinal < BLOCKS; ordinal++) fill(cache, 1, ordinal);
  return { memory, cache };
}

function fill(cache: BlockCache, tableId: number, ordinal: number): boolean {
  const slot = cache.reserve(tableId, ordinal, BLOCK_BYTES);
  if (slot < 0) return false;
  cache.bytes[cache.dataStart(slot)] = ordinal;
  cache.publish(slot);
  return true;
}

/** A block's first byte is the low byte of its ordinal; this is their sum. */
const FIRST_BYTES = (BLOCKS / 256) * ((256 * 255) / 2);

function findingOnMain(): PreparedCase {
  const { cache } = filledCache();
  const order = shuffledIndexes(BLOCKS);
  return {
    run: () => {
      let sum = 0;
      for (const ordinal of order) sum += cache.bytes[cache.dataStart(cache.find(1, ordinal))];
      return sum;
    },
    expected: FIRST_BYTES,
  };
}

function findingByReader(tableId: number, expected: number): PreparedCase {
  const reader = new BlockCacheReader(filledCache().memory);
  const order = shuffledIndexes(BLOCKS);
  return {
    run: () => {
      let sum = 0;
      for (const ordinal of order) if (reader.find(tableId, ordinal)) sum += reader.bytes[reader.dataStart];
      return sum;
    },
    expected,
  };
}

export const cases: readonly MicroCase[] = [
  { name: 'block cache: find, main thread', operations: BLOCKS, prepare: findingOnMain },
  { name: 'block cache: find, hit', operations: BLOCKS, prepare: () => findingByReader(1, FIRST_BYTES) },
  { name: 'block cache: find, miss', operations: BLOCKS, prepare: () => findingByReader(2, 0) },
  {
    name: 'block cache: take a block in, another out',
    operations: BLOCKS,
    prepare: () => {
      const { cache } = filledCache();
      // Ids never come back, so each block is new. Three laps fill the cache, and it stays full.
      let tableId = 1;
      const takeIn = (): number => {
        tableId++;
        let taken = 0;
        for (let ordinal = 0; ordinal < BLOCKS; ordinal++) if (fill(cache, tableId, ordinal)) taken++;
        return taken;
      };
      for (let lap = 0; lap < 6; lap++) takeIn();
      return { run: takeIn, expected: BLOCKS };
    },
  },
];

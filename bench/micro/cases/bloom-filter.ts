import { hashBytes } from '../../../native-free-lsm/format/hash.ts';
import { BloomFilter, buildBloomFilter } from '../../../native-free-lsm/sstable/bloom-filter.ts';
import { evenKey, HASH_SEED, inSharedMemory, oddKey, shuffled } from '../inputs.ts';
import type { MicroCase, PreparedCase } from '../micro-case.ts';

const KEYS = 8192;
const BITS_PER_KEY = 10;
/** How many of 8,192 absent keys this filter lets pass: 1 %. */
const FALSE_POSITIVES = 85;

function hashesOf(keyOf: (index: number) => Uint8Array): Uint32Array {
  return Uint32Array.from({ length: KEYS }, (_, index) =>
    hashBytes(keyOf(index), 0, keyOf(index).length, HASH_SEED),
  );
}

function probing(keyOf: (index: number) => Uint8Array, expected: number): PreparedCase {
  const stored = inSharedMemory(buildBloomFilter(hashesOf(evenKey), KEYS, BITS_PER_KEY, HASH_SEED));
  const filter = new BloomFilter(stored.buffer as SharedArrayBuffer);
  const hashes = Uint32Array.from(shuffled([...hashesOf(keyOf)]));
  return {
    run: () => {
      let passed = 0;
      for (let i = 0; i < hashes.length; i++) if (filter.mayContain(hashes[i])) passed++;
      return passed;
    },
    expected,
  };
}

export const cases: readonly MicroCase[] = [
  {
    name: 'Bloom filter: build, a key',
    operations: KEYS,
    prepare: () => {
      const hashes = hashesOf(evenKey);
      const stored = buildBloomFilter(hashes, KEYS, BITS_PER_KEY, HASH_SEED);
      return {
        run: () => {
          const built = buildBloomFilter(hashes, KEYS, BITS_PER_KEY, HASH_SEED);
          return built.length + built[0] + built[built.length - 13];
        },
        // 8,192 keys of 10 bits are 160 lines of 512 bits, followed by 12 bytes.
        expected: 160 * 64 + 12 + stored[0] + stored[stored.length - 13],
      };
    },
  },
  { name: 'Bloom filter: probe, hit', operations: KEYS, prepare: () => probing(evenKey, KEYS) },
  { name: 'Bloom filter: probe, miss', operations: KEYS, prepare: () => probing(oddKey, FALSE_POSITIVES) },
];

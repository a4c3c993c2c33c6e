import { hashBytes } from '../../../native-free-lsm/format/hash.ts';
import { murmur3 } from '../../../native-free-lsm/format/murmur3.ts';
import { evenKey, HASH_SEED, randomBytes } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const KEYS = 1024;

function hashing(
  name: string,
  keys: () => Uint8Array[],
  hash: (key: Uint8Array) => number,
  expected: number,
): MicroCase {
  return {
    name,
    operations: KEYS,
    prepare: () => {
      const hashed = keys();
      return {
        run: () => {
          let sum = 0;
          for (const key of hashed) sum = (sum + hash(key)) >>> 0;
          return sum;
        },
        expected,
      };
    },
  };
}

function shortKeys(): Uint8Array[] {
  return Array.from({ length: KEYS }, (_, index) => evenKey(index));
}

function longKeys(): Uint8Array[] {
  const bytes = randomBytes(KEYS + 255);
  return Array.from({ length: KEYS }, (_, index) => bytes.subarray(index, index + 255));
}

const ofEngine = (key: Uint8Array): number => hashBytes(key, 0, key.length, HASH_SEED);

const ofCluster = (key: Uint8Array): number => murmur3(key, 0, key.length, 0x51_07_5e_ed);

/**
 * The sums, modulo 2^32, were computed with other implementations of HalfSipHash-1-3 and, with seed 51075eed, of
 * MurmurHash3.
 */
export const cases: readonly MicroCase[] = [
  hashing("hash: the engine's, key of 9 bytes", shortKeys, ofEngine, 1_228_951_976),
  hashing("hash: the engine's, key of 255 bytes", longKeys, ofEngine, 3_527_293_929),
  hashing("hash: the cluster's, key of 9 bytes", shortKeys, ofCluster, 260_989_191),
];

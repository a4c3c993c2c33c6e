/** What a fuzz of the engine draws from its seed: keys, values, options. */
import type { EngineOptions } from '../../native-free-lsm/index.ts';
import { type Random, seededRandom } from '../../src/clock.ts';

const KEYS = 700;
const ALPHABET = [0, 1, 0x61, 0x62, 0x7f, 0x80, 0x81, 0xfe, 0xff];
const COMMON_PREFIX = 'a-prefix-that-many-keys-share-';
const PAIR = ['pair A', 'pair B'];

export class FuzzDraws {
  /** Of all keys, as latin1 and in their order. */
  readonly names: readonly string[];
  /** The numbers of two keys that each batch writes, with one value: a read of one moment shows both or none. */
  readonly pair: readonly number[];
  readonly #random: Random;
  #values = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.names = this.#names();
    this.pair = PAIR.map((name) => this.names.indexOf(name));
  }

  #names(): string[] {
    const names = new Set<string>(PAIR);
    while (names.size < KEYS) {
      let name = this.chance(0.5) ? COMMON_PREFIX.slice(0, this.below(COMMON_PREFIX.length)) : '';
      const length = 1 + this.below(this.chance(0.1) ? 60 : 9);
      for (let i = 0; i < length; i++) name += String.fromCharCode(ALPHABET[this.below(ALPHABET.length)]);
      names.add(name);
    }
    return [...names].sort((a, b) => Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')));
  }

  options(): Partial<EngineOptions> {
    const one = <T>(...choices: readonly T[]): T => choices[this.below(choices.length)];
    const singleThread = this.chance(0.5);
    return {
      singleThread,
      maxRecordBytes: 16 << 10,
      memtableBytes: one(64 << 10, 128 << 10, 1 << 20),
      blockCacheBytes: one(0, 16 << 10, 64 << 10, 512 << 10),
      blockSizeBytes: one(256, 1024, 4096),
      compression: one('none', 'lz4', 'zstd'),
      bottomCompression: one('none', 'lz4', 'zstd'),
      bloomBitsPerKey: one(0, 1, 10),
      targetFileBytes: 16 << 10,
      l0CompactionTables: one(2, 3, 4, 5),
      baseLevelBytes: 32 << 10,
      levelMultiplier: one(2, 3, 4),
      readers: singleThread ? 1 : one(1, 2),
      durability: one('none', 'interval', 'sync'),
    };
  }

  value(mostBytes = 12_000): string {
    const id = `${++this.#values}.`;
    const length = this.below(this.chance(0.02) ? mostBytes : this.chance(0.5) ? 40 : 300);
    if (this.chance(0.5)) return id + 'ab'.repeat(length >> 1);
    let value = id;
    for (let i = 0; i < length; i++) value += String.fromCharCode(this.below(256));
    return value;
  }

  /** A third of the keys, those in between, is hardly ever written. */
  written(): number {
    return this.writtenFrom(this.below(KEYS));
  }

  writtenFrom(near: number): number {
    for (let key = near % KEYS; ; key = (key + 1) % KEYS)
      if (key % 3 !== 1 && !this.isExpiring(key) && !this.pair.includes(key)) return key;
  }

  /** Among those of the other keys whose values end. */
  expiring(): number {
    for (;;) {
      const key = this.below(KEYS);
      if (this.isExpiring(key)) return key;
    }
  }

  isExpiring(key: number): boolean {
    return key % 10 === 9 && !this.pair.includes(key);
  }

  read(): number {
    return this.below(KEYS);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }
}

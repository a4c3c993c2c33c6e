import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashBytes } from '../../../../native-free-lsm/format/hash.ts';
import {
  BloomFilter,
  bloomFilterBytes,
  bloomFilterFault,
  buildBloomFilter,
} from '../../../../native-free-lsm/sstable/bloom-filter.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

function hashOf(text: string): number {
  const bytes = Buffer.from(text);
  return hashBytes(bytes, 0, bytes.length, HASH_SEED);
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

function falsePositiveRate(keys: number, bitsPerKey: number, probes: number): number {
  const hashes = Uint32Array.from({ length: keys }, (_, i) => hashOf(`key${i}`));
  const filter = new BloomFilter(shared(buildBloomFilter(hashes, keys, bitsPerKey, HASH_SEED)));
  let passed = 0;
  for (let i = 0; i < probes; i++) if (filter.mayContain(hashOf(`absent${i}`))) passed++;
  return passed / probes;
}

test('every key that was added passes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(0xffff_ffff), { maxLength: 500 }),
      fc.integer({ min: 1, max: 60 }),
      (hashes, bitsPerKey) => {
        const bytes = buildBloomFilter(Uint32Array.from(hashes), hashes.length, bitsPerKey, HASH_SEED);
        assert.equal(bytes.length, bloomFilterBytes(hashes.length, bitsPerKey));
        const memory = shared(bytes);
        assert.equal(bloomFilterFault(memory), undefined);
        const filter = new BloomFilter(memory);
        for (const hash of hashes) assert.ok(filter.mayContain(hash));
      },
    ),
  );
});

test('with 10 bits a key at most 1.2 % of absent keys pass, however many keys there are', () => {
  for (const keys of [1_000, 30_000, 1_000_000]) {
    const rate = falsePositiveRate(keys, 10, 300_000);
    assert.ok(rate <= 0.012, `${keys} keys: ${rate}`);
  }
});

test('more bits let fewer absent keys pass', () => {
  const rates = [5, 10, 16].map((bits) => falsePositiveRate(20_000, bits, 100_000));
  assert.ok(rates[0] > 4 * rates[1] && rates[1] > 4 * rates[2], rates.join());
});

test('a filter without bytes lets everything pass', () => {
  assert.ok(new BloomFilter(new SharedArrayBuffer(0)).mayContain(12345));
});

test('a filter of no keys lets nothing pass', () => {
  const filter = new BloomFilter(shared(buildBloomFilter(new Uint32Array(0), 0, 10, HASH_SEED)));
  assert.ok(!filter.mayContain(0) && !filter.mayContain(0xffff_ffff));
});

test('a filter that cannot be right is named', () => {
  const bytes = buildBloomFilter(Uint32Array.of(1), 1, 10, HASH_SEED);
  assert.match(bloomFilterFault(shared(bytes.subarray(1))) ?? '', /whole lines/);
  assert.match(bloomFilterFault(new SharedArrayBuffer(4)) ?? '', /whole lines/);
  bytes[64] = 0;
  assert.match(bloomFilterFault(shared(bytes)) ?? '', /0 probes/);
  bytes[67] = 1;
  assert.match(bloomFilterFault(shared(bytes)) ?? '', /16777216 probes/);
});

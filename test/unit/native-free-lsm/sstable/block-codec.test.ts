import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { checksum } from '../../../../native-free-lsm/format/checksum.ts';
import {
  BLOCK_TRAILER_BYTES,
  blockCompressor,
  Compression,
  type CompressionName,
  unpackBlock,
  writeBlockTrailer,
} from '../../../../native-free-lsm/sstable/block-codec.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { assertDamage } from './table-support.ts';

const FILE = '/db/000001.sst';

/** Bytes with a frame of one restart point, `random` of them not to be compressed. */
function blockOf(lengthBytes: number, random: number): Buffer {
  const block = Buffer.alloc(lengthBytes, 'a');
  const next = seededRandom(1);
  for (let i = 0; i < random; i++) block[i] = next() * 256;
  block.writeUInt32LE(1, lengthBytes - 4);
  return block;
}

function stored(bytes: Uint8Array, compression: CompressionName): Buffer {
  const trailer = new Uint8Array(BLOCK_TRAILER_BYTES);
  writeBlockTrailer(trailer, bytes, Compression[compression]);
  return Buffer.concat([bytes, trailer]);
}

function unpack(bytes: Uint8Array, memoryBytes: number): Uint8Array {
  const target = new Uint8Array(memoryBytes);
  unpackBlock(bytes, 0, bytes.length - BLOCK_TRAILER_BYTES, memoryBytes, target, 0, FILE, 40);
  return target;
}

test('a block that zstd shrinks by 12 % or more is compressed, others stay as they are', () => {
  const compress = blockCompressor('zstd', 1, 4096);
  const shrinking = blockOf(4096, 3400);
  assert.ok(compress(shrinking).length <= 4096 * 0.88);
  assert.deepEqual(zstdDecompressSync(compress(shrinking)), shrinking);
  const hardly = blockOf(4096, 3800);
  assert.ok(zstdCompressSync(hardly).length < 4096);
  assert.equal(compress(hardly), hardly);
  assert.equal(blockCompressor('none', 1, 4096)(shrinking), shrinking);
});

test('a block that LZ4 shrinks by 12 % or more is compressed, others stay as they are', () => {
  const compress = blockCompressor('lz4', 1, 4096);
  const shrinking = blockOf(4096, 3400);
  const packed = compress(shrinking);
  assert.ok(packed.length <= 4096 * 0.88);
  assert.deepEqual(Buffer.from(unpack(stored(packed, 'lz4'), 4096)), shrinking);
  const hardly = blockOf(4096, 3800);
  assert.equal(compress(hardly), hardly);
  const large = blockOf(300_000, 5);
  assert.deepEqual(Buffer.from(unpack(stored(compress(large), 'lz4'), 300_000)), large);
});

test('a block much larger than the usual one is compressed too', () => {
  const large = blockOf(300_000, 5);
  assert.deepEqual(zstdDecompressSync(blockCompressor('zstd', 3, 4096)(large)), large);
});

function storedInEachWay(block: Uint8Array): Buffer[] {
  return (['none', 'lz4', 'zstd'] as const).map((name) =>
    stored(blockCompressor(name, 1, block.length)(block), name),
  );
}

test('stored blocks come back', () => {
  const block = blockOf(1000, 100);
  for (const whole of storedInEachWay(block)) assert.deepEqual(Buffer.from(unpack(whole, 1000)), block);
});

test('any changed byte of a block or its trailer is found', () => {
  const block = blockOf(300, 50);
  for (const whole of storedInEachWay(block)) {
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] ^= 0x10;
      const error = assertDamage(() => unpack(damaged, 300), FILE, 1000);
      assert.equal(error.offset, 40);
    }
  }
});

test('a length other than the one in the index is found even where the checksum is right', () => {
  const block = blockOf(300, 50);
  const [plain, lz4, packed] = storedInEachWay(block);
  for (const memoryBytes of [299, 301, 5000]) {
    const error = assertDamage(() => unpack(plain, memoryBytes), FILE, 1000);
    assert.match(error.message, new RegExp(`of 300 bytes, ${memoryBytes} by the index`));
  }
  for (const memoryBytes of [299, 301, 5000])
    assert.match(
      assertDamage(() => unpack(lz4, memoryBytes), FILE, 1000).message,
      new RegExp(`is not LZ4 of ${memoryBytes} bytes`),
    );
  // What is too long is not decompressed beyond the length it should have.
  assert.match(
    assertDamage(() => unpack(packed, 299), FILE, 1000).message,
    /does not decompress to 299 bytes/,
  );
  assert.match(assertDamage(() => unpack(packed, 301), FILE, 1000).message, /of 300 bytes, 301 by the index/);
});

test('bytes that are no zstd, no LZ4 or no block are found even where the checksum is right', () => {
  for (const name of ['lz4', 'zstd'] as const)
    for (const bytes of [blockOf(300, 0), new Uint8Array(0), blockOf(7, 0)])
      assertDamage(() => unpack(stored(bytes, name), 300), FILE, 1000);
  assertDamage(() => unpack(stored(Buffer.alloc(300), 'none'), 300), FILE, 1000);
  // LZ4 of another length than what stands before it says.
  const [, lz4] = storedInEachWay(blockOf(300, 50));
  const longer = stored(Buffer.concat([lz4.subarray(0, -BLOCK_TRAILER_BYTES), Buffer.of(0)]), 'lz4');
  assertDamage(() => unpack(longer, 300), FILE, 1000);
});

test('an unknown compression is told from damage', () => {
  const bytes = stored(blockOf(100, 0), 'none');
  bytes[100] = 3;
  bytes.writeUInt32LE(checksum(bytes, 0, 101), 101);
  assert.ok(!Object.values<number>(Compression).includes(bytes[100]));
  assert.throws(
    () => unpack(bytes, 100),
    (error: LsmError) =>
      error instanceof LsmError && error.code === 'UNSUPPORTED_FORMAT' && error.offset === 40,
  );
});

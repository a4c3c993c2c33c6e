import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decompressLz4, Lz4Compressor, unpackedLz4Bytes } from '../../../../native-free-lsm/format/lz4.ts';
import { lz4Input, unpackLz4, viewOfInput } from '../../../../native-free-lsm/format/lz4-memory.ts';
import { seededRandom } from '../../../../src/clock.ts';

/** With the bytes around what is written, which must not change. */
const MARGIN = 9;

function packed(block: Uint8Array, compressor = new Lz4Compressor()): Buffer {
  const limit = block.length + Math.ceil(block.length / 255) + 16;
  const target = new Uint8Array(MARGIN + limit + MARGIN).fill(0xee);
  const end = compressor.compress(block, 0, block.length, target, MARGIN, MARGIN + limit);
  assert.ok(end > MARGIN);
  assert.ok(target.subarray(0, MARGIN).every((byte) => byte === 0xee));
  assert.ok(target.subarray(end).every((byte) => byte === 0xee));
  return Buffer.from(target.slice(MARGIN, end));
}

/** In both ways, which must come to the same. */
function unpacked(bytes: Uint8Array, lengthBytes: number): Buffer | undefined {
  const inJavaScript = unpackedBy(decompressLz4, bytes, lengthBytes);
  const inWebAssembly = unpackedBy(unpackLz4, bytes, lengthBytes);
  assert.equal(inWebAssembly === undefined, inJavaScript === undefined);
  if (inJavaScript !== undefined) assert.ok(inWebAssembly?.equals(inJavaScript));
  return inJavaScript;
}

function unpackedBy(
  decompress: typeof decompressLz4,
  bytes: Uint8Array,
  lengthBytes: number,
): Buffer | undefined {
  const target = new Uint8Array(new SharedArrayBuffer(MARGIN + lengthBytes + MARGIN)).fill(0xee);
  const isWhole = decompress(bytes, 0, bytes.length, target, MARGIN, MARGIN + lengthBytes);
  assert.ok(target.subarray(0, MARGIN).every((byte) => byte === 0xee));
  assert.ok(target.subarray(MARGIN + lengthBytes).every((byte) => byte === 0xee));
  return isWhole ? Buffer.from(target.slice(MARGIN, MARGIN + lengthBytes)) : undefined;
}

/** Pieces that come again, near and far, and bytes that do not. */
const arbitraryBlock: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.tuple(fc.constantFrom('a', 'abc', 'abcdefgh', 'x'.repeat(30)), fc.nat(120)),
      fc.record({ back: fc.integer({ min: 1, max: 3000 }), bytes: fc.nat(600) }),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => {
    let block = Buffer.alloc(0);
    for (const piece of pieces) {
      if (piece instanceof Uint8Array) block = Buffer.concat([block, piece]);
      else if (Array.isArray(piece)) block = Buffer.concat([block, Buffer.from(piece[0].repeat(piece[1]))]);
      else block = Buffer.concat([block, block.subarray(-piece.back).subarray(0, piece.bytes)]);
    }
    return new Uint8Array(block);
  });

/** By the description of the format alone, byte by byte; undefined for what it does not allow. */
function unpackedSlowly(bytes: Uint8Array, lengthBytes: number): Buffer | undefined {
  const block: number[] = [];
  let at = 0;
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    let more = nibble === 15;
    while (more && at < bytes.length) {
      length += bytes[at];
      more = bytes[at++] === 255;
    }
    return length;
  };
  while (at < bytes.length) {
    const token = bytes[at++];
    const literals = lengthFrom(token >>> 4);
    if (at + literals > bytes.length) return undefined;
    block.push(...bytes.subarray(at, at + literals));
    at += literals;
    if (at === bytes.length) return block.length === lengthBytes ? Buffer.from(block) : undefined;
    if (at + 2 > bytes.length) return undefined;
    const distance = bytes[at] + bytes[at + 1] * 256;
    at += 2;
    const matched = lengthFrom(token & 15) + 4;
    if (distance === 0 || distance > block.length || block.length + matched > lengthBytes) return undefined;
    for (let i = 0; i < matched; i++) block.push(block[block.length - distance]);
  }
  return undefined;
}

/** Sequences that make sense, so that most of what they say is within bounds; each is [literals, distance, matched]. */
const arbitrarySequences = fc.array(
  fc.tuple(fc.nat(100), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 4, max: 120 })),
  { maxLength: 12 },
);

function encodeSequences(sequences: readonly (readonly [number, number, number])[], last: number): Buffer {
  const bytes: number[] = [];
  let literal = 0;
  const encode = (literals: number, distance: number, matched: number): void => {
    const more = distance === 0 ? 0 : matched - 4;
    bytes.push((Math.min(literals, 15) << 4) | Math.min(more, 15));
    if (literals >= 15) bytes.push(literals - 15);
    for (let i = 0; i < literals; i++) bytes.push(literal++ % 251);
    if (distance === 0) return;
    bytes.push(distance, 0);
    if (more >= 15) bytes.push(more - 15);
  };
  for (const [literals, distance, matched] of sequences) encode(literals, distance, matched);
  encode(last, 0, 0);
  return Buffer.from(bytes);
}

describe('LZ4', () => {
  test('what was compressed comes back, block after block', () => {
    const compressor = new Lz4Compressor();
    fc.assert(
      fc.property(arbitraryBlock, (block) => {
        const bytes = packed(block, compressor);
        assert.deepEqual(unpacked(bytes, block.length), Buffer.from(block));
        assert.equal(unpackedLz4Bytes(bytes, 0, bytes.length), block.length);
      }),
      { numRuns: 300 },
    );
  });

  test('a match is found as far back as its distance can say, and no farther', () => {
    const random = seededRandom(1);
    const piece = Buffer.from(Array.from({ length: 64 }, () => random() * 256));
    const sizeWith = (gap: number): number => packed(Buffer.concat([piece, Buffer.alloc(gap), piece])).length;
    assert.ok(sizeWith(65_535 - 64) < sizeWith(65_536 - 64) - 40);
    const far = Buffer.concat([piece, Buffer.alloc(70_000), piece]);
    assert.deepEqual(unpacked(packed(far), far.length), far);
  });

  test('long literals, long matches and matches that go on into themselves come back', () => {
    const random = seededRandom(2);
    const noise = Buffer.from(Array.from({ length: 1000 }, () => random() * 256));
    for (const length of [0, 1, 4, 12, 13, 14, 15, 16, 18, 19, 20, 269, 270, 271, 524, 525, 1000]) {
      for (const block of [
        noise.subarray(0, length),
        Buffer.alloc(length, 'a'),
        Buffer.alloc(length, 'abc'),
        Buffer.concat([noise, noise.subarray(0, length), Buffer.alloc(13)]),
      ])
        assert.deepEqual(unpacked(packed(block), block.length), block, `${length}`);
    }
  });

  test('the last five bytes are literals, and no match begins in the last twelve', () => {
    for (let length = 0; length < 40; length++) {
      const bytes = packed(Buffer.alloc(length, 'a'));
      // One literal, one match, and the rest: other decoders rely on how much that is.
      if (length < 13) assert.equal(bytes.length, length + 1);
      else assert.equal(bytes.at(-6), 0x50, `${length}`);
    }
  });

  test('what would not fit is not compressed, and nothing is written behind the limit', () => {
    const block = Buffer.concat([Buffer.from('0123456789'.repeat(3)), Buffer.alloc(300, 'a')]);
    const { length } = packed(block);
    for (let limit = 0; limit <= length + 1; limit++) {
      const target = new Uint8Array(length + 2).fill(0xee);
      const end = new Lz4Compressor().compress(block, 0, block.length, target, 0, limit);
      assert.equal(end, limit < length ? -1 : length);
      assert.ok(target.subarray(limit).every((byte) => byte === 0xee));
    }
  });

  test('a part of a larger buffer is compressed with nothing around it', () => {
    const whole = Buffer.from('the same again, the same again, the same again, the same again');
    const start = 17;
    const target = new Uint8Array(100);
    const end = new Lz4Compressor().compress(whole, start, whole.length, target, 0, 100);
    assert.deepEqual(unpacked(target.subarray(0, end), whole.length - start), whole.subarray(start));
  });

  test('the bytes are those that the description of the format says', () => {
    // Four literals, a match of 15 + 17 + 4 bytes at a distance of 4, and seven literals at the end.
    const bytes = Buffer.from('4f616263640400117074686520656e64', 'hex');
    const block = Buffer.from(`${'abcd'.repeat(10)}the end`);
    assert.deepEqual(unpacked(bytes, block.length), block);
    assert.equal(packed(block).toString('hex'), bytes.toString('hex'));
  });

  test('blocks of any size come back, wherever they lie', () => {
    const compressor = new Lz4Compressor();
    fc.assert(
      fc.property(fc.nat(70_000), fc.integer({ min: 1, max: 300 }), fc.nat(7), (length, period, offset) => {
        const whole = new Uint8Array(offset + length);
        const random = seededRandom(length);
        // Half of each period is new, half comes from the one before.
        for (let at = 0; at < whole.length; at++)
          whole[at] = at % period < period / 2 ? random() * 256 : whole[Math.max(0, at - period)];
        const block = whole.subarray(offset);
        const bytes = packed(block, compressor);
        assert.ok(unpacked(bytes, length)?.equals(block));
      }),
      { numRuns: 60 },
    );
  });

  test('what is compressed is the same for every limit that it fits in', () => {
    fc.assert(
      fc.property(arbitraryBlock, fc.integer({ min: -40, max: 60 }), (block, beyond) => {
        const bytes = packed(block);
        const limit = bytes.length + beyond;
        const target = new Uint8Array(Math.max(0, limit) + MARGIN).fill(0xee);
        const end = new Lz4Compressor().compress(block, 0, block.length, target, 0, limit);
        assert.equal(end, beyond < 0 ? -1 : bytes.length);
        assert.ok(target.subarray(Math.max(0, beyond < 0 ? limit : end)).every((byte) => byte === 0xee));
        if (end >= 0) assert.ok(bytes.equals(target.subarray(0, end)));
      }),
      { numRuns: 300 },
    );
  });

  test('matches that go on into themselves come back, at each distance and of each length', () => {
    for (let distance = 1; distance <= 40; distance++) {
      for (let matched = 4; matched <= 140; matched++) {
        const bytes = encodeSequences([[distance, distance, matched]], matched % 24);
        const lengthBytes = distance + matched + (matched % 24);
        const block = unpackedSlowly(bytes, lengthBytes);
        assert.ok(block !== undefined);
        assert.ok(unpacked(bytes, lengthBytes)?.equals(block), `${matched} bytes from ${distance} back`);
      }
    }
  });

  test('every sequence is read as the description says, or refused where that says so', () => {
    let whole = 0;
    fc.assert(
      fc.property(
        arbitrarySequences,
        fc.nat(40),
        fc.integer({ min: -20, max: 20 }),
        (sequences, last, off) => {
          const bytes = encodeSequences(sequences, last);
          const sum = sequences.reduce((bytes, [literals, , matched]) => bytes + literals + matched, last);
          // Off by some in a part of the runs only.
          const lengthBytes = Math.max(0, sum + Math.max(0, Math.abs(off) - 10) * Math.sign(off));
          const expected = unpackedSlowly(bytes, lengthBytes);
          const block = unpacked(bytes, lengthBytes);
          assert.equal(block === undefined, expected === undefined);
          if (expected === undefined || block === undefined) return;
          assert.ok(block.equals(expected));
          whole++;
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(whole > 100);
  });

  test('what is no LZ4 is refused, and never written beside its place', () => {
    const block = Buffer.from('half of it is random, half of it is random, half of it is not. '.repeat(5));
    const whole = packed(block);
    for (let length = 0; length < whole.length; length++) {
      const result = unpacked(whole.subarray(0, length), block.length);
      assert.equal(result, undefined);
    }
    assert.equal(unpacked(whole, block.length - 1), undefined);
    assert.equal(unpacked(whole, block.length + 1), undefined);
    for (let at = 0; at < whole.length; at++) {
      for (const flip of [1, 0x10, 0x80, 0xff]) {
        const damaged = Buffer.from(whole);
        damaged[at] ^= flip;
        // A literal may be another one; everything else is in its place or refused.
        unpacked(damaged, block.length);
        unpackedLz4Bytes(damaged, 0, damaged.length);
      }
    }
    // A match before the beginning, and one of no distance.
    assert.equal(unpacked(Buffer.from('1061020050616161616161', 'hex'), 11), undefined);
    assert.equal(unpacked(Buffer.from('1061000050616161616161', 'hex'), 11), undefined);
    assert.deepEqual(
      unpacked(Buffer.from('1061010050616161616161', 'hex').subarray(0, -1), 10),
      Buffer.from('aaaaaaaaaa'),
    );
  });

  test('what lies where it had best lie is read from there; a block may be as large as that, or larger', () => {
    const block = Buffer.from('once and again, once and again, once and again, and the end');
    const bytes = packed(block);
    assert.ok(unpacked(bytes, block.length)?.equals(block));
    const input = lz4Input();
    assert.ok(input !== null);
    bytes.copy(input, 5);
    const target = Buffer.alloc(block.length);
    assert.ok(unpackLz4(input, 5, 5 + bytes.length, target, 0, block.length));
    assert.ok(target.equals(block));
    const random = seededRandom(3);
    const noise = Buffer.from(Array.from({ length: input.length / 2 }, () => random() * 256));
    for (const lengthBytes of [input.length - 1, input.length, input.length + 1]) {
      const large = Buffer.concat([
        noise,
        Buffer.alloc(lengthBytes - noise.length, 'abcdefghijklmnopqrstuvwxyz'),
      ]);
      assert.ok(unpacked(packed(large), lengthBytes)?.equals(large));
    }
  });

  test('a view shows what the input begins with now, whatever was viewed before, and of others what was asked for', () => {
    const block = Buffer.from('once and again, once and again, once and again, and the end');
    assert.ok(unpacked(packed(block), block.length)?.equals(block));
    const input = lz4Input();
    assert.ok(input !== null);
    // Some of these lengths have the same place among the views.
    for (const lengthBytes of [3, 259, 3, 515, 0, 256, 259, input.length]) {
      input.fill(lengthBytes & 0xff);
      assert.deepEqual(viewOfInput(input, 0, lengthBytes), input.subarray(0, lengthBytes));
    }
    input[5] = 1;
    assert.deepEqual(viewOfInput(input, 5, 8), input.subarray(5, 8));
    const other = Uint8Array.of(7, 8, 9);
    assert.deepEqual(viewOfInput(other, 0, 3), other);
    assert.deepEqual(viewOfInput(other, 1, 3), Uint8Array.of(8, 9));
  });

  test('where there is no WebAssembly, it is done in JavaScript', async () => {
    const another = '../../../../native-free-lsm/format/lz4-memory.ts?without-webassembly';
    const fresh = (await import(
      another
    )) as typeof import('../../../../native-free-lsm/format/lz4-memory.ts');
    const known = Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly');
    assert.ok(known !== undefined);
    Reflect.deleteProperty(globalThis, 'WebAssembly');
    try {
      const block = Buffer.from(`${'abcd'.repeat(10)}the end`);
      const bytes = packed(block);
      assert.ok(unpackedBy(fresh.unpackLz4, bytes, block.length)?.equals(block));
      assert.equal(fresh.lz4Input(), null);
    } finally {
      Object.defineProperty(globalThis, 'WebAssembly', known);
    }
  });

  test('anything at all is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(200), (bytes, length) => {
        const size = unpackedLz4Bytes(bytes, 0, bytes.length);
        if (unpacked(bytes, length) !== undefined) assert.equal(size, length);
      }),
      { numRuns: 1000 },
    );
  });
});

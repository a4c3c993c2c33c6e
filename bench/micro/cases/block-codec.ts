import { BlockBuilder } from '../../../native-free-lsm/sstable/block-builder.ts';
import {
  BLOCK_TRAILER_BYTES,
  blockCompressor,
  Compression,
  type CompressionName,
  unpackBlock,
  writeBlockTrailer,
} from '../../../native-free-lsm/sstable/block-codec.ts';
import { evenEntries, inSharedMemory } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const CALLS = 32;

function blockOf(kib: number): Uint8Array {
  const builder = new BlockBuilder(16, kib * 1024);
  for (const { key, record } of evenEntries(10_000)) {
    if (builder.sizeWithBytes(0, key.length, record.length) > kib * 1024) break;
    builder.add(0, key, 0, key.length, record, 0, record.length);
  }
  return builder.bytes.slice(0, builder.finish());
}

function packed(block: Uint8Array, compression: CompressionName): Uint8Array {
  const stored = blockCompressor(compression, 1, block.length)(block);
  const whole = new Uint8Array(stored.length + BLOCK_TRAILER_BYTES);
  const trailer = new Uint8Array(BLOCK_TRAILER_BYTES);
  writeBlockTrailer(trailer, stored, stored === block ? Compression.none : Compression[compression]);
  whole.set(stored);
  whole.set(trailer, stored.length);
  return whole;
}

function unpacking(kib: number, compression: CompressionName): MicroCase {
  return {
    name: `block: unpack ${kib} KiB, ${compression}`,
    operations: CALLS,
    prepare: () => {
      const block = blockOf(kib);
      const stored = packed(block, compression);
      const diskBytes = stored.length - BLOCK_TRAILER_BYTES;
      const target = inSharedMemory(new Uint8Array(block.length + 16));
      return {
        run: () => {
          let sum = 0;
          for (let call = 0; call < CALLS; call++) {
            unpackBlock(stored, 0, diskBytes, block.length, target, 8, 'a table', 0);
            sum += target[8 + ((call * 97) % block.length)];
          }
          return sum;
        },
        expected: Array.from({ length: CALLS }, (_, call) => block[(call * 97) % block.length]).reduce(
          (sum, byte) => sum + byte,
          0,
        ),
      };
    },
  };
}

function packing(kib: number, compression: CompressionName): MicroCase {
  return {
    name: `block: pack ${kib} KiB, ${compression}`,
    operations: CALLS,
    prepare: () => {
      const block = blockOf(kib);
      const compress = blockCompressor(compression, 1, block.length);
      return {
        run: () => {
          let smaller = 0;
          for (let call = 0; call < CALLS; call++) if (compress(block).length < block.length / 2) smaller++;
          return smaller;
        },
        // Texts like these take less than half.
        expected: CALLS,
      };
    },
  };
}

export const cases: readonly MicroCase[] = [
  unpacking(4, 'none'),
  unpacking(4, 'zstd'),
  unpacking(4, 'lz4'),
  unpacking(16, 'zstd'),
  unpacking(16, 'lz4'),
  packing(16, 'zstd'),
  packing(16, 'lz4'),
];

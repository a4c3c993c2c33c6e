import { readVarint, varintBytes, writeVarint } from '../../../native-free-lsm/format/varint.ts';
import { shuffled } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const NUMBERS = 1024;

/** Numbers like the lengths in blocks: mostly of one byte, some of two, a few of three. */
function numbers(): number[] {
  return shuffled(
    Array.from({ length: NUMBERS }, (_, i) => (i % 64 === 0 ? 16_384 + i : i % 8 === 0 ? 128 + i : i % 128)),
  );
}

function encode(target: Uint8Array, values: readonly number[]): number {
  let at = 0;
  for (const value of values) at = writeVarint(target, at, value);
  return at;
}

function encodedBytes(values: readonly number[]): number {
  let bytes = 0;
  for (const value of values)
    bytes += value.toString(2).length > 14 ? 3 : value.toString(2).length > 7 ? 2 : 1;
  return bytes;
}

export const cases: readonly MicroCase[] = [
  {
    name: 'varint: write',
    operations: NUMBERS,
    prepare: () => {
      const values = numbers();
      const target = new Uint8Array(5 * NUMBERS);
      return { run: () => encode(target, values), expected: encodedBytes(values) };
    },
  },
  {
    name: 'varint: read',
    operations: NUMBERS,
    prepare: () => {
      const values = numbers();
      const bytes = new Uint8Array(5 * NUMBERS);
      const end = encode(bytes, values);
      return {
        run: () => {
          let sum = 0;
          for (let at = 0; at < end; ) {
            const value = readVarint(bytes, at);
            sum += value;
            at += varintBytes(value);
          }
          return sum;
        },
        expected: values.reduce((sum, value) => sum + value, 0),
      };
    },
  },
];

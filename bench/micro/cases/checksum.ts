import { checksum } from '../../../native-free-lsm/format/checksum.ts';
import { inSharedMemory, randomBytes } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const CALLS = 64;

/** CRC-32 computed bit by bit from its definition. */
function referenceCrc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}

function summing(kib: number, memory: 'own' | 'shared'): MicroCase {
  return {
    name: `checksum: ${kib} KiB of ${memory} memory`,
    operations: CALLS,
    prepare: () => {
      const whole = randomBytes(kib * 1024 + 8);
      // A part of a larger buffer, as blocks are.
      const bytes = memory === 'shared' ? inSharedMemory(whole) : whole;
      const expected = CALLS * referenceCrc32(whole.subarray(4, 4 + kib * 1024));
      return {
        run: () => {
          let sum = 0;
          for (let call = 0; call < CALLS; call++) sum += checksum(bytes, 4, 4 + kib * 1024);
          return sum;
        },
        expected,
      };
    },
  };
}

export const cases: readonly MicroCase[] = [
  summing(4, 'own'),
  summing(4, 'shared'),
  summing(16, 'own'),
  summing(16, 'shared'),
];

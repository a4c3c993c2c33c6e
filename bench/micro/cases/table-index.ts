import { TableIndex, TableIndexBuilder } from '../../../native-free-lsm/sstable/table-index.ts';
import { evenKey, inSharedMemory, oddKey, shuffled } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

/** The blocks of a table of 32 MiB with blocks of 8 KiB. */
const BLOCKS = 4096;
const TRAILER_BYTES = 5;
const BLOCK_BYTES = 8192;
/** The number of lookups in one run. */
const LOOKUPS = 1024;

function indexOf(keys: readonly Uint8Array[]): TableIndex {
  const builder = new TableIndexBuilder();
  keys.forEach((key, ordinal) => {
    const offset = ordinal * (BLOCK_BYTES + TRAILER_BYTES);
    builder.addBlock(offset, offset + BLOCK_BYTES + TRAILER_BYTES, BLOCK_BYTES, key, key.length);
  });
  return new TableIndex(inSharedMemory(builder.finish()).buffer as SharedArrayBuffer, TRAILER_BYTES);
}

/** Each wanted key is between the keys of two blocks, so it is in the second. */
function finding(name: string, prefix: string): MicroCase {
  const longer = (key: Uint8Array): Uint8Array => Buffer.concat([Buffer.from(prefix), key]);
  return {
    name,
    operations: LOOKUPS,
    prepare: () => {
      const index = indexOf(Array.from({ length: BLOCKS }, (_, i) => longer(evenKey(i + 1))));
      const ordinals = shuffled(Array.from({ length: BLOCKS }, (_, i) => i)).slice(0, LOOKUPS);
      const wanted = ordinals.map((ordinal) => longer(oddKey(ordinal)));
      return {
        run: () => {
          let sum = 0;
          for (const key of wanted) sum += index.find(key, 0, key.length);
          return sum;
        },
        expected: ordinals.reduce((sum, ordinal) => sum + ordinal, 0),
      };
    },
  };
}

export const cases: readonly MicroCase[] = [
  finding('table index: find, keys of 9 bytes', ''),
  finding('table index: find, keys of 300 bytes that begin alike', 'p'.repeat(291)),
];

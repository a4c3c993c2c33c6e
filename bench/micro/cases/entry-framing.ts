import { chunkFraming, type EntryFraming, msgpackFraming } from '../../../src/http/entry-framing.ts';
import { evenKey } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const ENTRIES = 512;

function framing(name: string, form: EntryFraming, valueBytes: number, entryBytes: number): MicroCase {
  return {
    name: `entry framing: ${name}, value of ${valueBytes} bytes`,
    operations: ENTRIES,
    prepare: () => {
      const keys = Array.from({ length: ENTRIES }, (_, index) => evenKey(index));
      const value = Buffer.alloc(valueBytes, 'v');
      const target = Buffer.alloc(ENTRIES * (entryBytes + 16));
      return {
        run: () => {
          let at = 0;
          let asked = 0;
          for (const key of keys) {
            asked += form.entryBytes(key.length, value.length);
            at = form.writeEntry(target, at, key, value);
          }
          return at === asked ? at : -1;
        },
        expected: ENTRIES * entryBytes,
      };
    },
  };
}

/** Keys have 9 bytes. A chunk: digits, CR LF, key, LF, value, CR LF; MessagePack: 1, 2 + key, head + value. */
export const cases: readonly MicroCase[] = [
  framing('chunk', chunkFraming, 14, 2 + 2 + 9 + 1 + 14 + 2),
  framing('chunk', chunkFraming, 1000, 3 + 2 + 9 + 1 + 1000 + 2),
  framing('MessagePack', msgpackFraming, 14, 1 + 2 + 9 + 2 + 14),
  framing('MessagePack', msgpackFraming, 1000, 1 + 2 + 9 + 3 + 1000),
];

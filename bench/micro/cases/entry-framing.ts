import { encodeRecord, Page, packPage } from '../../../native-free-lsm/index.ts';
import { chunkFraming, type EntryFraming, msgpackFraming } from '../../../src/http/entry-framing.ts';
import { EntryPage } from '../../../src/replica/entry-page.ts';
import { evenKey } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const ENTRIES = 512;

function framing(name: string, form: EntryFraming, valueBytes: number, entryBytes: number): MicroCase {
  return {
    name: `entry framing: ${name}, value of ${valueBytes} bytes`,
    operations: ENTRIES,
    prepare: () => {
      const fields = { timestamp: 1, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
      const value = encodeRecord(fields, Buffer.alloc(valueBytes, 'v'));
      const entries = Array.from({ length: ENTRIES }, (_, index) => [evenKey(index), value] as const);
      const { bytes, usedBytes } = packPage(entries, true, null);
      const target = Buffer.alloc(usedBytes + ENTRIES * form.overheadBytes);
      return {
        run: () => {
          const page = new EntryPage(new Page(bytes, usedBytes, ENTRIES, true, null), 0);
          let at = 0;
          while (page.next()) at = form.writeEntry(target, at, page);
          return at;
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

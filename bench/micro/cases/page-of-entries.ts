import {
  type EntryEncoder,
  encodeRecord,
  PageBuilder,
  pageEntryBytes,
} from '../../../native-free-lsm/index.ts';
import { encoder as chunks } from '../../../src/http/encoders/chunks.ts';
import { encoder as msgpack } from '../../../src/http/encoders/msgpack.ts';
import { evenKey } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const ENTRIES = 512;

function pageCase(
  name: string,
  encoder: EntryEncoder | null,
  valueBytes: number,
  entryBytes: number,
): MicroCase {
  return {
    name: `page of entries: ${name}, value of ${valueBytes} bytes`,
    operations: ENTRIES,
    prepare: () => {
      const fields = { timestamp: 1, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
      const record = encodeRecord(fields, Buffer.alloc(valueBytes, 'v'));
      const keys = Array.from({ length: ENTRIES }, (_, index) => evenKey(index));
      const target = Buffer.alloc(ENTRIES * pageEntryBytes(keys[0].length, record.length, encoder));
      const contents = { maxEntries: ENTRIES, includeTombstones: false, encoder, nowMs: 0 };
      const page = new PageBuilder();
      return {
        run: () => {
          page.begin(target, 0, target.length, contents);
          for (const key of keys) page.add(key, 0, key.length, record, 0, record.length);
          return page.at;
        },
        expected: ENTRIES * entryBytes,
      };
    },
  };
}

/**
 * Keys have 9 bytes. A chunk: digits, CR LF, key, LF, value, CR LF; MessagePack: 1, 2 + key, head + value; packed:
 * 8, key, the record's header of 16, value.
 */
export const cases: readonly MicroCase[] = [
  pageCase('packed', null, 14, 8 + 9 + 16 + 14),
  pageCase('chunk', chunks, 14, 2 + 2 + 9 + 1 + 14 + 2),
  pageCase('chunk', chunks, 1000, 3 + 2 + 9 + 1 + 1000 + 2),
  pageCase('MessagePack', msgpack, 14, 1 + 2 + 9 + 2 + 14),
  pageCase('MessagePack', msgpack, 1000, 1 + 2 + 9 + 3 + 1000),
];

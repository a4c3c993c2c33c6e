import {
  encodePut,
  OperationCursor,
  putOperationBytes,
} from '../../../native-free-lsm/log/write-operation.ts';
import { evenEntries } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const PUTS = 1024;
/** 8, a key of 9 and a record of 30. */
const PUT_BYTES = 47;

export const cases: readonly MicroCase[] = [
  {
    name: 'write operation: encode a put',
    operations: PUTS,
    prepare: () => {
      const entries = evenEntries(PUTS);
      const target = new Uint8Array(new SharedArrayBuffer(PUTS * PUT_BYTES));
      return {
        run: () => {
          let at = 0;
          for (const { key, record } of entries) {
            encodePut(target, at, key, record);
            at += putOperationBytes(key.length, record.length);
          }
          return at + target[at - PUT_BYTES] + target[at - PUT_BYTES + 2] + target[at - PUT_BYTES + 4];
        },
        // The last operation adds its number, 1, and the lengths of key and record.
        expected: PUTS * PUT_BYTES + 1 + 9 + 30,
      };
    },
  },
  {
    name: 'write operation: decode a put',
    operations: PUTS,
    prepare: () => {
      const bytes = new Uint8Array(new SharedArrayBuffer(PUTS * PUT_BYTES));
      evenEntries(PUTS).forEach(({ key, record }, index) => {
        encodePut(bytes, index * PUT_BYTES, key, record);
      });
      const cursor = new OperationCursor();
      return {
        run: () => {
          let sum = 0;
          for (let at = 0; at < bytes.length; at += PUT_BYTES) {
            cursor.reset(bytes, at, at + PUT_BYTES);
            while (cursor.next())
              sum += cursor.keyEnd - cursor.keyStart + cursor.recordEnd - cursor.recordStart;
          }
          return sum;
        },
        expected: PUTS * (9 + 30),
      };
    },
  },
];

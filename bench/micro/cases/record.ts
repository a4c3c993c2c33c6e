import {
  compareRecordVersions,
  recordFault,
  recordTimestamp,
  recordValueStart,
  recordWriter,
  writeRecord,
} from '../../../native-free-lsm/format/record.ts';
import { recordOf, shuffled } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const RECORDS = 1024;
const RECORD_BYTES = 30;

function records(): Uint8Array[] {
  return shuffled(Array.from({ length: RECORDS }, (_, index) => recordOf(index, 2 ** 40 + index)));
}

export const cases: readonly MicroCase[] = [
  {
    name: 'record: write, value of 14 bytes',
    operations: RECORDS,
    prepare: () => {
      const target = Buffer.alloc(RECORDS * RECORD_BYTES);
      const value = Buffer.from('value-00000000');
      return {
        run: () => {
          let at = 0;
          for (let i = 0; i < RECORDS; i++) {
            const fields = { timestamp: 2 ** 40 + i, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
            at = writeRecord(target, at, fields, value);
          }
          return at + target[at - RECORD_BYTES + 4] + target[at - 1];
        },
        // The low byte of the last timestamp is that of 1023, and the last byte of the last value is a zero.
        expected: RECORDS * RECORD_BYTES + 255 + 0x30,
      };
    },
  },
  {
    name: 'record: check and read the header',
    operations: RECORDS,
    prepare: () => {
      const bytes = Buffer.concat(records());
      return {
        run: () => {
          let sum = 0;
          for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
            if (recordFault(bytes, at, at + RECORD_BYTES) !== undefined) return -1;
            sum +=
              recordTimestamp(bytes, at) -
              2 ** 40 +
              recordWriter(bytes, at) +
              recordValueStart(bytes, at) -
              at;
          }
          return sum;
        },
        expected: (RECORDS * (RECORDS - 1)) / 2 + RECORDS * (1 + 16),
      };
    },
  },
  {
    name: 'record: compare two versions',
    operations: RECORDS - 1,
    prepare: () => {
      const compared = records();
      let ascents = 0;
      for (let i = 1; i < RECORDS; i++) {
        if (Buffer.compare(compared[i].subarray(16), compared[i - 1].subarray(16)) > 0) ascents++;
      }
      return {
        run: () => {
          let newer = 0;
          for (let i = 1; i < RECORDS; i++) {
            if (compareRecordVersions(compared[i], 0, compared[i - 1], 0) > 0) newer++;
          }
          return newer;
        },
        // Timestamps rise as the numbers in the values do.
        expected: ascents,
      };
    },
  },
];

import { TableWriter, type TableWriterOptions } from '../../../native-free-lsm/sstable/table-writer.ts';
import { DIRECTORY, emptyFileSystem, evenEntries, sumOf, TABLE_OPTIONS } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const KEYS = 4096;

/** Writes to a file system in memory: this measures putting the table together, not a disk. */
function writing(name: string, options: TableWriterOptions): MicroCase {
  return {
    name: `table writer: ${name}, an entry`,
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const fs = emptyFileSystem();
      return {
        run: () => {
          using writer = new TableWriter(fs, DIRECTORY, 1, options);
          for (const { key, record } of entries) writer.add(key, 0, key.length, record, 0, record.length);
          const { rawSizeBytes, largestTimestamp } = writer.finish(1);
          fs.removeSync(`${DIRECTORY}/000001.sst`);
          return rawSizeBytes + largestTimestamp;
        },
        expected: sumOf(entries, ({ key, record }) => key.length + record.length - 16) + KEYS,
      };
    },
  };
}

export const cases: readonly MicroCase[] = [
  writing('blocks of 4 KiB', TABLE_OPTIONS),
  writing('zstd, blocks of 16 KiB', { ...TABLE_OPTIONS, compression: 'zstd', blockSizeBytes: 16 * 1024 }),
];

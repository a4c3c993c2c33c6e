/** Picks a data block of a table on a simulated disk, and tells which keys are in it. */

import { BlockReader } from '../../native-free-lsm/offline/block-reader.ts';
import { openFile } from '../../native-free-lsm/offline/folder.ts';
import { blocksOf, surveyTable } from '../../native-free-lsm/offline/table-survey.ts';
import type { MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';

export interface BlockOfTable {
  readonly path: string;
  readonly offset: number;
  readonly diskBytes: number;
  /** The keys in the block. */
  readonly keys: readonly string[];
  /** Whether a read of the key must look into this block: the range of no block beside it includes the key. */
  covers(key: string): boolean;
}

export function blocksOfTable(fs: MemoryFileSystem, path: string): BlockOfTable[] {
  const { index } = surveyTable(fs, path);
  if (index === undefined) throw new Error(`${path} has no index`);
  using file = openFile(fs, path);
  const reader = new BlockReader(fs, file.fd, path);
  const all = blocksOf(index).map((block) => {
    reader.read(block);
    const keys: string[] = [];
    const { cursor } = reader;
    for (cursor.seekToFirst(); cursor.valid; cursor.next())
      keys.push(Buffer.from(cursor.keyBytes.subarray(0, cursor.keyEnd)).toString('latin1'));
    return { ...block, keys };
  });
  return all.map(({ offset, diskBytes, keys }, i) => {
    const above = all[i - 1]?.keys.at(-1);
    const below = all[i + 1]?.keys[0];
    const covers = (key: string): boolean =>
      (above === undefined ? key >= keys[0] : key > above) &&
      (below === undefined ? key <= (keys.at(-1) as string) : key < below);
    return { path, offset, diskBytes, keys, covers };
  });
}

/** Changes one bit of a file for good. */
export function flipBit(fs: MemoryFileSystem, path: string, offset: number): void {
  const fd = fs.openWriteSync(path);
  const byte = new Uint8Array(1);
  fs.readSync(fd, byte, 0, 1, offset);
  byte[0] ^= 4;
  fs.writeSync(fd, [byte], offset);
  fs.fdatasyncSync(fd);
  fs.closeSync(fd);
}

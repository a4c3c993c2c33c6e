/**
 * A process that writes numbered batches into a folder until it is killed, and goes on from the last one when it is
 * started again. What the folder holds after any number of them is known: see `batchesAfter`.
 */
import { open } from '../../native-free-lsm/index.ts';
import { batchOf } from './numbered-batches.ts';

const [directory] = process.argv.slice(2);
// Small, so that it flushes and compacts all the time.
const engine = await open(directory, {
  durability: 'none',
  singleThread: false,
  maxRecordBytes: 16 * 1024,
  memtableBytes: 256 * 1024,
  targetFileBytes: 64 * 1024,
  baseLevelBytes: 128 * 1024,
  l0CompactionTables: 2,
});
const last = await engine.get(Buffer.from('number'));
for (let number = Number(last ?? 0) + 1; ; number++) await engine.write(batchOf(number));

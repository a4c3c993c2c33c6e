import { parentPort, workerData } from 'node:worker_threads';
import { InsertStatus, Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import { keyNumber, type MemtableRun, RunWord, writeKey, writeOwnRecord } from './memtable-run.ts';
import { randomFrom } from './thread.ts';

const { arena, control, keys, seed } = workerData as MemtableRun;
const words = new Int32Array(control);
const memtable = new Memtable(arena);
const random = randomFrom(seed);
const key = new Uint8Array(64);
const record = new Uint8Array(500);

for (let ready = 0; ready < 2; ready = Atomics.load(words, RunWord.ready))
  Atomics.wait(words, RunWord.ready, ready);
let sequence = 0;
let status: InsertStatus = InsertStatus.applied;
while (status !== InsertStatus.full) {
  const isLinked = random(3) === 0;
  for (let batch = 1 + random(64); batch > 0; batch--) {
    const keyLength = writeKey(key, keyNumber(sequence, keys));
    const recordLength = writeOwnRecord(record, key, keyLength, sequence);
    status = isLinked
      ? memtable.insert(key, 0, keyLength, record, 0, recordLength)
      : memtable.insertUnlinked(key, 0, keyLength, record, 0, recordLength);
    if (status === InsertStatus.full) break;
    sequence++;
  }
  // Sometimes before they are published, and sometimes when readers have begun to walk over them.
  if (random(8) === 0) memtable.linkNew(random(2) === 0 ? random(200) : undefined);
  memtable.publish();
  if (random(8) === 0) memtable.linkNew(random(2) === 0 ? random(200) : undefined);
  Atomics.store(words, RunWord.published, sequence);
}
Atomics.store(words, RunWord.done, 1);
parentPort!.postMessage(sequence);

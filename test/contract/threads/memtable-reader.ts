import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { compareBytes } from '../../../native-free-lsm/format/bytes.ts';
import { hashBytes } from '../../../native-free-lsm/format/hash.ts';
import { Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import { HASH_SEED } from '../../support/hash-flood.ts';
import { checkOwnRecord, keyNumber, type MemtableRun, RunWord, writeKey } from './memtable-run.ts';
import { randomFrom } from './thread.ts';

const { arena, control, keys, seed } = workerData as MemtableRun;
const words = new Int32Array(control);
const memtable = new Memtable(arena);
const random = randomFrom(seed);
const key = new Uint8Array(64);
const newestSeen = new Int32Array(keys).fill(-1);
let finds = 0;

/** Checks a key that number `sequence` wrote before `limit` was taken: it must show that write or a later one. */
function checkFind(sequence: number, limit: number): void {
  const number = keyNumber(sequence, keys);
  const length = writeKey(key, number);
  const hash = hashBytes(key, 0, length, HASH_SEED);
  const entry = memtable.find(key, 0, length, limit, hash);
  assert.ok(entry > 0 && entry < limit, `number ${sequence} is not visible`);
  const found = checkOwnRecord(memtable.bytes, memtable.recordStart(entry), memtable.recordEnd(entry), hash);
  assert.ok(
    found >= sequence && found >= newestSeen[number],
    `number ${found} is older than one seen before`,
  );
  newestSeen[number] = found;
  finds++;
}

/** Walks everything that `limit` shows, from a random key on; returns a sum over it. */
function scan(limit: number, fromNumber: number): { entries: number; sum: number } {
  const iterator = memtable.iterator(limit);
  const previous = new Uint8Array(64);
  let previousLength = 0;
  let entries = 0;
  let sum = 0;
  if (fromNumber < 0) iterator.seekToFirst();
  else iterator.seek(key, 0, writeKey(key, fromNumber));
  for (; iterator.valid; iterator.next()) {
    const { keyBytes, keyStart, keyEnd } = iterator;
    const order = compareBytes(previous, 0, previousLength, keyBytes, keyStart, keyEnd);
    if (order >= 0) assert.fail('keys do not ascend');
    for (let i = keyStart; i < keyEnd; i++) previous[i - keyStart] = keyBytes[i];
    previousLength = keyEnd - keyStart;
    assert.ok(iterator.recordEnd <= limit);
    const hash = hashBytes(keyBytes, keyStart, keyEnd, HASH_SEED);
    sum = (sum + checkOwnRecord(iterator.recordBytes, iterator.recordStart, iterator.recordEnd, hash)) | 0;
    entries++;
  }
  return { entries, sum };
}

Atomics.add(words, RunWord.ready, 1);
Atomics.notify(words, RunWord.ready);
let scans = 0;
for (let done = 0; done === 0; ) {
  done = Atomics.load(words, RunWord.done);
  const published = Atomics.load(words, RunWord.published);
  const limit = memtable.publishedOffset;
  if (published === 0) continue;
  for (let i = 0; i < 200; i++) checkFind(random(published), limit);
  const totals = [memtable.entries, memtable.largestTimestamp];
  assert.ok(totals[0] >= published && totals[1] >= published, `totals ${totals} are older than ${published}`);
  if (random(20) !== 0 && done === 0) continue;
  const from = random(3) === 0 ? -1 : keyNumber(random(published), keys);
  // The same limit shows the same, however far the writer has gone on.
  assert.deepEqual(scan(limit, from), scan(limit, from));
  scans++;
}
parentPort!.postMessage({ finds, scans });

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryFileSystem } from '../../../../native-free-lsm/fs/memory-fs.ts';
import { Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { completeOptions } from '../../../../native-free-lsm/options.ts';
import { WriterRole } from '../../../../native-free-lsm/roles/writer.ts';
import { createControl } from '../../../../native-free-lsm/shared/control.ts';
import { createRing, RingConsumer, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { encodePut, putOperationBytes } from '../../../../native-free-lsm/wal/write-operation.ts';
import { systemClock } from '../../../../src/clock.ts';
import { record } from '../../../support/engine-calls.ts';

// Main pushes what waits when answers arrive. Were the ring's room given back only after them, the push would find
// the ring full, and with nothing more under way no answer would ever come to try again at.
test('answers are seen only once the ring has the room of what they answer', async (t) => {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync('db');
  const options = completeOptions({ memtableBytes: 64 << 10, maxRecordBytes: 1 << 10 });
  const arena = new SharedArrayBuffer(options.memtableBytes);
  new Memtable(arena).reset(1);
  const rings = { requests: createRing(4096), responses: createRing(4096) };
  const place = { directory: 'db', control: createControl(), arenas: [arena], arena: 0, generation: 1 };
  const writer = new WriterRole({ ...rings, ...place, options, thread: 1 }, fs, () => undefined, systemClock);
  const requests = new RingProducer(rings.requests);
  const responses = new RingConsumer(rings.responses);
  const key = Buffer.from('key');
  const value = record(1, 'value');
  const at = requests.reserve(putOperationBytes(key.length, value.length));
  encodePut(requests.bytes, at, key, value);
  requests.push(0);
  requests.publish();

  const usedWhenSeen: number[] = [];
  const store = Atomics.store.bind(Atomics) as (words: Int32Array, index: number, value: number) => number;
  t.mock.method(Atomics, 'store', (words: Int32Array, index: number, value: number) => {
    const stored = store(words, index, value);
    if (usedWhenSeen.length === 0 && !responses.empty) usedWhenSeen.push(requests.usedBytes);
    return stored;
  });
  assert.equal(writer.step(), true);
  assert.deepEqual(usedWhenSeen, [0]);
  writer.close();
});

/** What main does between two looks of the writer thread at the words they share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePut, putOperationBytes } from '../../../../native-free-lsm/log/write-operation.ts';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { completeOptions } from '../../../../native-free-lsm/options.ts';
import { ControlWord, createControl } from '../../../../native-free-lsm/shared/control.ts';
import { createRing, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { WriteDeadlines } from '../../../../native-free-lsm/shared/write-deadlines.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import type { WorkerMessage } from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { WriterRole } from '../../../../native-free-lsm/threads/writer.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { record } from '../../../support/engine-calls.ts';
import { TINY_OPTIONS } from '../../../support/engine-simulation.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

test('an arena that is announced and offered while the writer looks for one is there when it takes it', () => {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync('/db');
  const options = completeOptions(TINY_OPTIONS);
  const control = createControl();
  const words = new Int32Array(control);
  const requestRing = createRing(64 * 1024);
  const requests = new RingProducer(requestRing);
  const first = createArena(options.memtableBytes, HASH_SEED);
  new Memtable(first).reset(1);
  const posted: WorkerMessage[] = [];
  let offersWhenEmptied = false;
  const inbox = (): WorkerMessage | undefined => {
    const message = posted.shift();
    if (message !== undefined || !offersWhenEmptied) return message;
    // The writer has just found its inbox empty, and has not looked at the mailbox yet.
    offersWhenEmptied = false;
    posted.push({ type: 'arena', index: 1, arena: createArena(options.memtableBytes, HASH_SEED) });
    Atomics.add(words, ControlWord.superVersionEpoch, 1);
    Atomics.store(words, ControlWord.spareArena, 2);
    return undefined;
  };
  const rings = { requests: requestRing, responses: createRing(64 * 1024) };
  const init = { directory: '/db', options, control, arenas: [first], thread: 1, generation: 1, arena: 0 };
  const deadlines = WriteDeadlines.allocate(1);
  new WriteDeadlines(deadlines).set(0, Number.POSITIVE_INFINITY);
  const writer = new WriterRole(
    { ...init, ...rings, hashSeed: HASH_SEED, deadlines },
    fs,
    inbox,
    new FakeClock(),
  );
  Atomics.store(words, ControlWord.activeGeneration, 1);
  Atomics.store(words, ControlWord.notedGeneration, 1);
  const put = (timestamp: number): void => {
    const key = Buffer.from('key');
    const value = record(timestamp, Buffer.alloc(6000));
    encodePut(requests.bytes, requests.reserve(putOperationBytes(key.length, value.length)), key, value);
    requests.push(timestamp);
    requests.publish();
  };
  let timestamp = 0;
  for (put(++timestamp); writer.step(); put(++timestamp)) assert.ok(timestamp < 20, 'the memtable fills up');
  // It waits for an arena now. Something makes it look at its inbox, and main is as quick as can be.
  offersWhenEmptied = true;
  Atomics.add(words, ControlWord.superVersionEpoch, 1);
  assert.ok(writer.step());
  assert.equal(words[ControlWord.activeGeneration], 2);
  put(++timestamp);
  assert.ok(writer.step());
  writer.close();
});

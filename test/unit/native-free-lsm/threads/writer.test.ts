import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NO_CALL } from '../../../../native-free-lsm/call-table.ts';
import { frameLength, nextFrame, payloadStart } from '../../../../native-free-lsm/format/frame.ts';
import { encodePut, putOperationBytes } from '../../../../native-free-lsm/log/write-operation.ts';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { completeOptions, type EngineOptions } from '../../../../native-free-lsm/options.ts';
import { ControlWord, createControl } from '../../../../native-free-lsm/shared/control.ts';
import { createRing, RingConsumer, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { WaitSiteId } from '../../../../native-free-lsm/shared/wait-sites.ts';
import { WriteDeadlines } from '../../../../native-free-lsm/shared/write-deadlines.ts';
import { fileSystemError, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { RESPONSE_BYTES_PER_WRITE } from '../../../../native-free-lsm/store/write-queue.ts';
import type { SyncsOnMain } from '../../../../native-free-lsm/threads/main-synced-fs.ts';
import type { SyncEnd } from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import {
  COMPLETION_BYTES,
  Completion,
  decodeCompletion,
  encodeWriterWake,
  WRITER_WAKE_BYTES,
  WriteCode,
} from '../../../../native-free-lsm/threads/protocol/writer-messages.ts';
import { WriterRole } from '../../../../native-free-lsm/threads/writer.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { record } from '../../../support/engine-calls.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const KEY = Buffer.from('key');
const RESPONSE_RING_BYTES = 4 << 20;
const MAX_WRITES_IN_RING = RESPONSE_RING_BYTES / RESPONSE_BYTES_PER_WRITE;

/** A writer with the rings main would have, in this thread and over a disk in memory. */
function startWriter(
  responseRingBytes: number,
  memtableBytes: number,
  more: Partial<EngineOptions> = {},
  requestRingBytes = 4096,
  syncs: SyncsOnMain | null = null,
) {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync('db');
  const options = completeOptions({ memtableBytes, maxRecordBytes: 1 << 10, durability: 'none', ...more });
  const clock = new FakeClock();
  const arena = createArena(options.memtableBytes, HASH_SEED);
  const memtable = new Memtable(arena);
  memtable.reset(1);
  const rings = { requests: createRing(requestRingBytes), responses: createRing(responseRingBytes) };
  const hashSeed = HASH_SEED;
  const deadlines = WriteDeadlines.allocate(16);
  const arenas = [arena, createArena(options.memtableBytes, HASH_SEED)];
  const place = { directory: 'db', control: createControl(), arenas, arena: 0, generation: 1 };
  const writer = new WriterRole(
    { ...rings, ...place, options, hashSeed, thread: 1, deadlines },
    fs,
    () => undefined,
    clock,
    syncs,
  );
  // As main does once it has heard that the log was begun.
  const responses = new RingConsumer(rings.responses);
  assert.equal(responses.nextRun(responseRingBytes), true);
  responses.release();
  Atomics.store(new Int32Array(place.control), ControlWord.notedGeneration, 1);
  const times = new WriteDeadlines(deadlines);
  const requests = new RingProducer(rings.requests);
  let timestamp = 0;
  const put = (tag = 0, deadlineMs = Number.POSITIVE_INFINITY, key = KEY): void => {
    times.set(tag, deadlineMs);
    const value = record(++timestamp, '');
    const at = requests.reserve(putOperationBytes(key.length, value.length));
    encodePut(requests.bytes, at, key, value);
    requests.push(tag);
    requests.publish();
  };
  return { fs, clock, control: place.control, memtable, writer, requests, responses, put };
}

// Main pushes what waits when answers arrive. If the ring's room were given back only afterwards, the push would find
// the ring full; and with nothing more under way, no answer would come to try again.
test('answers are seen only once the ring has the room of what they answer', (t) => {
  const { writer, requests, responses, put } = startWriter(4096, 64 << 10);
  put();
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

// Main may be busy for as long as it takes to write all of them, one by one, and the ring of answers may just have
// started again at its beginning, where it has least room.
test('all writes main has under way are answered though it takes no answer meanwhile', () => {
  const { writer, responses, put } = startWriter(RESPONSE_RING_BYTES, 16 << 20);
  let answeredBytes = 0;
  while (answeredBytes < RESPONSE_RING_BYTES / 8) {
    put();
    writer.step();
    assert.equal(responses.nextRun(RESPONSE_RING_BYTES), true);
    answeredBytes += responses.runEnd - responses.runStart;
    responses.release();
  }
  for (let i = 0; i < MAX_WRITES_IN_RING; i++) {
    put();
    assert.equal(writer.step(), true);
  }
  let answers = 0;
  while (responses.nextRun(RESPONSE_RING_BYTES)) {
    answers += responses.runFrames;
    responses.release();
  }
  assert.equal(answers, MAX_WRITES_IN_RING);
  writer.close();
});

test('what was written before is synced in time though nothing comes but writes whose time is over', () => {
  const { clock, fs, put, writer } = startWriter(RESPONSE_RING_BYTES, 64 << 10, {
    durability: 'interval',
    syncIntervalMs: 10,
  });
  put();
  writer.step();
  const calls: string[] = [];
  fs.onCall = ({ operation, path }) => {
    calls.push(`${operation} ${path}`);
  };
  clock.advance(10);
  put(1, clock.monotonicMs() - 1);
  writer.step();
  assert.deepEqual(calls, ['fdatasync db/000001.log']);
  writer.close();
});

for (const [what, writeStallTimeoutMs] of [
  ['waits', 60_000],
  ['is refused', 0],
] as const) {
  test(`what was written before is synced in time while a write ${what} for want of a memtable`, () => {
    const { clock, fs, put, writer } = startWriter(RESPONSE_RING_BYTES, 64 << 10, {
      durability: 'interval',
      syncIntervalMs: 10,
      writeStallTimeoutMs,
    });
    const calls: string[] = [];
    fs.onCall = ({ operation, path }) => {
      calls.push(`${operation} ${path}`);
    };
    const writes = (): number => calls.filter((call) => call.startsWith('write ')).length;
    for (let before = -1; before < writes(); ) {
      before = writes();
      put();
      writer.step();
    }
    calls.length = 0;
    clock.advance(10);
    put();
    writer.step();
    assert.deepEqual(calls, ['fdatasync db/000001.log']);
    writer.close();
  });
}

test('what was written before is synced in time while the disk is too full for what comes', () => {
  const { clock, fs, put, writer } = startWriter(RESPONSE_RING_BYTES, 64 << 10, {
    durability: 'interval',
    syncIntervalMs: 10,
  });
  put();
  writer.step();
  let fdatasyncs = 0;
  fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync') fdatasyncs++;
    if (operation === 'write') throw fileSystemError('ENOSPC', operation, path);
  };
  clock.advance(10);
  put();
  assert.equal(writer.step(), true);
  assert.equal(fdatasyncs, 1);
  writer.close();
});

// A replica may be idle for hours, before its first write too: nothing wakes it a thousand times a second.
test('a writer that nobody asks for anything has nothing to do, whatever main has not done yet', () => {
  const { put, responses, writer, control } = startWriter(RESPONSE_RING_BYTES, 64 << 10, {
    writeStallTimeoutMs: 0,
  });
  Atomics.store(new Int32Array(control), ControlWord.notedGeneration, 0);
  assert.equal(writer.step(), false);
  assert.equal(writer.dueMs, Number.POSITIVE_INFINITY, 'before the first write');
  put();
  assert.equal(writer.step(), true, 'refused, as its log is not noted');
  assert.equal(writer.step(), false);
  assert.equal(writer.dueMs, Number.POSITIVE_INFINITY, 'after a write that was refused');
  while (responses.nextRun(RESPONSE_RING_BYTES)) responses.release();
  writer.close();
});

test('a writer that is told to stop does not wait for a note of its log: none comes any more', () => {
  const { control, fs, memtable, put, responses, writer } = startWriter(RESPONSE_RING_BYTES, 64 << 10);
  const words = new Int32Array(control);
  Atomics.store(words, ControlWord.notedGeneration, 0);
  put(1);
  assert.equal(writer.step(), false);
  assert.equal(writer.dueMs, 1, 'it waits for the note');
  Atomics.store(words, ControlWord.stop, 1);
  assert.equal(writer.step(), true, 'without that any time has passed');
  assert.equal(responses.nextRun(RESPONSE_RING_BYTES), true);
  const completion = new Completion();
  decodeCompletion(responses.bytes, payloadStart(responses.runStart), completion);
  assert.equal(completion.code, WriteCode.overloaded, 'what is not noted is not acknowledged');
  responses.release();
  assert.equal(memtable.entries, 0);
  assert.equal(writer.step(), false);
  assert.equal(writer.finished, true);
  assert.equal(fs.openDescriptors, 0);
});

test('a write whose time is over is not written: neither before the others of its run, nor among, nor behind them', () => {
  const { clock, fs, put, responses, writer } = startWriter(RESPONSE_RING_BYTES, 64 << 10);
  clock.advance(100);
  // By tag: 1, 2, 5 and 8 are late.
  const late = [1, 2, 5, 8];
  for (let tag = 1; tag <= 8; tag++) put(tag, late.includes(tag) ? 100 : 101);
  let appends = 0;
  fs.onCall = ({ operation }) => {
    if (operation === 'write') appends++;
  };
  let steps = 0;
  while (writer.step()) steps++;
  const codes = new Map<number, number>();
  const completion = new Completion();
  while (responses.nextRun(RESPONSE_RING_BYTES)) {
    const { bytes, runStart, runEnd } = responses;
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      const end = payloadStart(at) + frameLength(bytes, at);
      for (let one = payloadStart(at); one < end; one += COMPLETION_BYTES) {
        decodeCompletion(bytes, one, completion);
        codes.set(completion.tag, completion.code);
      }
    }
    responses.release();
  }
  for (let tag = 1; tag <= 8; tag++) {
    assert.equal(codes.get(tag), late.includes(tag) ? WriteCode.expired : WriteCode.applied, `write ${tag}`);
  }
  assert.equal(steps, 5);
  assert.equal(appends, 2, '3 with 4, 6 with 7');
  writer.close();
});

test('a write that waits for a memtable until its time is over is answered then', () => {
  const { clock, put, responses, writer } = startWriter(RESPONSE_RING_BYTES, 64 << 10, {
    writeStallTimeoutMs: 60_000,
  });
  do {
    put(0, 500);
    while (responses.nextRun(RESPONSE_RING_BYTES)) responses.release();
  } while (writer.step());
  clock.advance(499);
  assert.equal(writer.step(), false);
  clock.advance(1);
  assert.equal(writer.step(), true);
  assert.equal(responses.nextRun(RESPONSE_RING_BYTES), true);
  assert.equal(writer.dueMs, Number.POSITIVE_INFINITY, 'nothing is waited for any more');
  writer.close();
});

test('a writer has nothing to do either once a log came that needs no note, while a write waited for one', () => {
  const { control, memtable, put, writer } = startWriter(RESPONSE_RING_BYTES, 64 << 10);
  const words = new Int32Array(control);
  // What a start has found, which a flush may ask for at once.
  const found = record(1, '');
  memtable.insert(KEY, 0, KEY.length, found, 0, found.length);
  memtable.publish();
  Atomics.store(words, ControlWord.notedGeneration, 0);
  put();
  assert.equal(writer.step(), false);
  assert.equal(writer.dueMs, 1);
  Atomics.add(words, ControlWord.sealRequests, 1);
  Atomics.store(words, ControlWord.spareArena, 1);
  assert.equal(writer.step(), true);
  assert.equal(words[ControlWord.activeGeneration], 2);
  assert.equal(writer.step(), false);
  assert.equal(writer.dueMs, Number.POSITIVE_INFINITY);
  writer.close();
});

describe('keys of many puts', () => {
  /** Puts several keys, none of them in order, in one run; returns how much is in no order then. */
  const putMany = ({ memtable, put, writer }: ReturnType<typeof startWriter>, prefix: string): number => {
    for (let i = 0; i < 12; i++)
      put(i, Number.POSITIVE_INFINITY, Buffer.from(`${prefix}${String((i * 5) % 12).padStart(2, '0')}`));
    assert.equal(writer.step(), true);
    return memtable.unlinkedBytes(memtable.publishedOffset);
  };
  const keysOf = ({ memtable }: ReturnType<typeof startWriter>): string[] => {
    const keys: string[] = [];
    const iterator = memtable.iterator(memtable.publishedOffset);
    for (iterator.seekToFirst(); iterator.valid; iterator.next())
      keys.push(Buffer.from(iterator.keyBytes.subarray(iterator.keyStart, iterator.keyEnd)).toString());
    return keys;
  };
  const expected = (...prefixes: string[]): string[] =>
    prefixes.flatMap((prefix) =>
      Array.from({ length: 12 }, (_, i) => `${prefix}${String(i).padStart(2, '0')}`),
    );

  test('are linked when nothing has come for a moment, and found in order before', () => {
    const started = startWriter(RESPONSE_RING_BYTES, 64 << 10);
    const { clock, memtable, writer } = started;
    assert.ok(putMany(started, 'b') > 0);
    assert.deepEqual(keysOf(started), expected('b'));
    assert.equal(writer.dueMs, 10);
    clock.advance(9);
    assert.equal(writer.step(), false);
    assert.ok(putMany(started, 'a') > 0);
    assert.deepEqual(keysOf(started), expected('a', 'b'));
    clock.advance(10);
    assert.equal(writer.step(), false);
    assert.equal(memtable.unlinkedBytes(memtable.publishedOffset), 0);
    assert.deepEqual(keysOf(started), expected('a', 'b'));
    assert.equal(writer.dueMs, Number.POSITIVE_INFINITY);
    writer.close();
  });

  test('are linked with their run for a second after a scan has asked for it', () => {
    const started = startWriter(RESPONSE_RING_BYTES, 64 << 10);
    assert.ok(putMany(started, 'a') > 0);
    Atomics.add(new Int32Array(started.control), ControlWord.orderRequests, 1);
    assert.equal(putMany(started, 'b'), 0);
    started.clock.advance(999);
    assert.equal(putMany(started, 'c'), 0);
    started.clock.advance(1);
    assert.ok(putMany(started, 'd') > 0);
    assert.deepEqual(keysOf(started), expected('a', 'b', 'c', 'd'));
    started.writer.close();
  });

  test('are left as they are when their memtable is sealed, and found in order', () => {
    const started = startWriter(RESPONSE_RING_BYTES, 64 << 10);
    const { control, memtable, put, writer } = started;
    const unlinkedBytes = putMany(started, 'a');
    assert.ok(unlinkedBytes > 0);
    const words = new Int32Array(control);
    Atomics.store(words, ControlWord.spareArena, 2);
    Atomics.add(words, ControlWord.sealRequests, 1);
    put();
    assert.equal(writer.step(), true);
    assert.equal(words[ControlWord.activeGeneration], 2);
    assert.equal(memtable.unlinkedBytes(memtable.publishedOffset), unlinkedBytes);
    assert.deepEqual(keysOf(started), expected('a'));
    writer.close();
  });

  describe('of a load', () => {
    const RUN = 300;
    const MOST = 8192;
    /** Puts so many keys in runs of that many, those that are put later before the others. */
    const load = (runs: number, perRun = RUN): ReturnType<typeof startWriter> => {
      const started = startWriter(RESPONSE_RING_BYTES, 4 << 20, {}, 64 << 10);
      for (let run = 0; run < runs; run++) {
        for (let i = 0; i < perRun; i++)
          started.put(i, Number.POSITIVE_INFINITY, Buffer.from(String(1e6 - run * perRun - i)));
        assert.equal(started.writer.step(), true);
        started.responses.nextRun(RESPONSE_RING_BYTES);
        started.responses.release();
      }
      return started;
    };

    test('are left to the flush, however many they are', () => {
      const { memtable, writer } = load(40);
      // The first one belongs at the end of all.
      assert.equal(memtable.entries, 40 * RUN);
      assert.ok(memtable.unlinkedBytes(memtable.publishedOffset) > 0.99 * memtable.contentBytes);
      writer.close();
    });

    test('are linked in parts when nothing comes any more, between which writes have their turn', () => {
      const { clock, memtable, put, writer } = load(40);
      assert.equal(writer.dueMs, 100);
      clock.advance(99);
      assert.equal(writer.step(), false);
      clock.advance(1);
      const before = memtable.unlinkedBytes(memtable.publishedOffset);
      assert.equal(writer.step(), true);
      const after = memtable.unlinkedBytes(memtable.publishedOffset);
      assert.ok(after > 0 && after < before);
      put();
      assert.equal(writer.step(), true);
      assert.equal(memtable.entries, 40 * RUN + 1);
      assert.equal(writer.step(), false);
      assert.ok(memtable.unlinkedBytes(memtable.publishedOffset) > 0);
      clock.advance(10);
      for (let turns = 0; writer.step(); turns++) assert.ok(turns < (40 * RUN) / MOST);
      assert.equal(memtable.unlinkedBytes(memtable.publishedOffset), 0);
      writer.close();
    });

    test('are linked in parts when it is followed by runs of fewer puts, or by a scan', () => {
      for (const isScanned of [false, true]) {
        const { control, memtable, put, writer } = load(40);
        if (isScanned) Atomics.add(new Int32Array(control), ControlWord.orderRequests, 1);
        put();
        assert.equal(writer.step(), true);
        const unlinkedBytes = memtable.unlinkedBytes(memtable.publishedOffset);
        const share = unlinkedBytes / memtable.contentBytes;
        assert.ok(share > 0.2 && share < 0.5, `${share}`);
        put();
        assert.equal(writer.step(), true);
        // So few are not worth it, but for a scan.
        assert.equal(memtable.unlinkedBytes(memtable.publishedOffset) === 0, isScanned);
        writer.close();
      }
    });
  });
});

/** A writer whose log has grown by so much that main syncs it. */
function startSyncedAhead(durability: EngineOptions['durability'] = 'none') {
  const begun: number[] = [];
  let end: SyncEnd | undefined;
  const syncs: SyncsOnMain = {
    begin: (target) => begun.push(target as number),
    endOf: () => {
      const told = end;
      end = undefined;
      return told;
    },
  };
  const options = { durability, syncIntervalMs: 10 };
  const started = startWriter(RESPONSE_RING_BYTES, 64 << 10, options, 64 << 10, syncs);
  const { control, fs, put, responses, writer } = started;
  const key = Buffer.alloc(1000, 'key');
  while (begun.length === 0) {
    put(0, Number.POSITIVE_INFINITY, key);
    assert.equal(writer.step(), true);
  }
  while (responses.nextRun(RESPONSE_RING_BYTES)) responses.release();
  const calls: string[] = [];
  fs.onCall = ({ operation }) => {
    calls.push(operation);
  };
  const words = new Int32Array(control);
  let frames = 0;
  /** As main does for a put with \`sync\`: see the engine's DESIGN.md. */
  const putSynced = (): void => {
    frames++;
    Atomics.store(words, ControlWord.syncFrames, begun.length + frames);
    Atomics.add(words, ControlWord.syncRequests, 1);
    put(7);
  };
  /** Of the last write that was answered. */
  const codeOfAnswer = (): number => {
    assert.equal(responses.nextRun(RESPONSE_RING_BYTES), true);
    const { bytes, runEnd, runStart } = responses;
    let at = runStart;
    // Before it there may be news of the writer.
    while (nextFrame(bytes, at) < runEnd) at = nextFrame(bytes, at);
    const completion = new Completion();
    decodeCompletion(bytes, payloadStart(at), completion);
    responses.release();
    return completion.code;
  };
  return {
    ...started,
    begun,
    calls,
    codeOfAnswer,
    end: (failure?: SyncEnd['failure']) => {
      end = failure === undefined ? { sync: 1 } : { sync: 1, failure };
    },
    putSynced,
    words,
  };
}

const EIO = { code: 'EIO', message: 'EIO: i/o error, fdatasync', syscall: 'fdatasync' };

test('while main syncs ahead writes go on, and a second sync does not begin', () => {
  const { begun, calls, codeOfAnswer, put, writer } = startSyncedAhead();
  for (let i = 0; i < 5; i++) {
    put();
    assert.equal(writer.step(), true);
    assert.equal(codeOfAnswer(), WriteCode.applied);
  }
  assert.deepEqual(calls, Array(5).fill('write'));
  assert.equal(begun.length, 1);
  writer.close();
});

// Of two syncs of a file at a time one alone is told that the disk has failed.
test('a write that is to be synced waits for main to have synced what was there, and is synced by the writer', () => {
  const { calls, codeOfAnswer, end, putSynced, writer } = startSyncedAhead();
  putSynced();
  assert.equal(writer.step(), false);
  assert.equal(writer.waitSite, WaitSiteId.logSync);
  assert.deepEqual(calls, []);
  end();
  assert.equal(writer.step(), true);
  assert.deepEqual(calls, ['write', 'fdatasync']);
  assert.equal(codeOfAnswer(), WriteCode.applied);
  writer.close();
});

test('a write that is to be synced is refused when what main synced ahead of it was not', () => {
  const { calls, codeOfAnswer, end, putSynced, writer } = startSyncedAhead();
  putSynced();
  assert.equal(writer.step(), false);
  end(EIO);
  assert.equal(writer.step(), true);
  assert.equal(codeOfAnswer(), WriteCode.poisoned);
  assert.deepEqual(calls, []);
  writer.close();
});

test('a writer that nobody asks for anything hears that main could not sync ahead', () => {
  const { end, put, responses, writer } = startSyncedAhead();
  end(EIO);
  assert.equal(writer.step(), false);
  assert.equal(responses.nextRun(RESPONSE_RING_BYTES), true, 'it tells main');
  responses.release();
  put();
  assert.equal(writer.step(), true);
  assert.equal(writer.waitSite, WaitSiteId.requests);
  writer.close();
});

test('a log is synced at its intervals though main does not come to it, once for each write', () => {
  const { calls, clock, end, put, writer } = startSyncedAhead('interval');
  for (let i = 0; i < 3; i++) {
    clock.advance(10);
    writer.step();
  }
  assert.deepEqual(calls.splice(0), ['fdatasync']);
  put();
  writer.step();
  clock.advance(10);
  writer.step();
  assert.deepEqual(calls.splice(0), ['write', 'fdatasync']);
  end();
  clock.advance(10);
  writer.step();
  assert.deepEqual(calls, [], 'all of it is synced');
  writer.close();
});

for (const waits of ['for its end', 'for the sync of its rest'] as const) {
  test(`a log is synced at its interval while its writer waits ${waits}`, () => {
    const { calls, clock, put, putSynced, words, writer } = startSyncedAhead('interval');
    if (waits === 'for its end') {
      Atomics.store(words, ControlWord.stop, 1);
      writer.step();
    } else {
      put();
      writer.step();
      putSynced();
    }
    calls.length = 0;
    clock.advance(10);
    assert.equal(writer.step(), false);
    assert.equal(writer.finished, false);
    assert.deepEqual(calls, ['fdatasync']);
    writer.close();
  });
}

test('the disk that fails both syncs of a log is told of once', () => {
  const { clock, end, fs, responses, writer } = startSyncedAhead('interval');
  fs.onCall = ({ operation }) => {
    if (operation === 'fdatasync') throw Object.assign(new Error(EIO.message), EIO);
  };
  clock.advance(10);
  writer.step();
  end(EIO);
  writer.step();
  assert.equal(responses.nextRun(RESPONSE_RING_BYTES), true);
  assert.equal(responses.runFrames, 1);
  writer.close();
});

test('a writer that is to stop waits for the sync under way', () => {
  const { calls, end, fs, words, writer } = startSyncedAhead();
  Atomics.store(words, ControlWord.stop, 1);
  assert.equal(writer.step(), false);
  assert.equal(writer.finished, false);
  assert.deepEqual(calls, []);
  end();
  assert.equal(writer.step(), false);
  assert.equal(writer.finished, true);
  assert.equal(fs.openDescriptors, 0);
});

// The zeros that are written to find out would go to the disk with that sync, and fill it.
test('whether a full disk has room again is found out when no sync is under way', () => {
  const { codeOfAnswer, end, fs, put, requests, writer } = startSyncedAhead();
  let isFull = true;
  const writes: string[] = [];
  fs.onCall = ({ operation, path }) => {
    if (operation !== 'write') return;
    if (isFull) throw fileSystemError('ENOSPC', operation, path);
    writes.push(path);
  };
  put();
  assert.equal(writer.step(), true);
  assert.equal(codeOfAnswer(), WriteCode.noSpace);
  isFull = false;
  const ask = (): void => {
    const at = requests.reserve(WRITER_WAKE_BYTES);
    encodeWriterWake(requests.bytes, at);
    requests.push(NO_CALL);
    requests.publish();
    assert.equal(writer.step(), true);
  };
  ask();
  const whileSynced = writes.length;
  end();
  ask();
  assert.deepEqual([whileSynced, writes.length > whileSynced], [1, true], 'the request, then the zeros');
  writer.close();
});

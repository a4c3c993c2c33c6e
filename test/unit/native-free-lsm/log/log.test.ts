import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  encodeBatchHeader,
  FILE_HEADER_BYTES,
  FileMagic,
  logFileName,
} from '../../../../native-free-lsm/log/log-format.ts';
import { replayLog } from '../../../../native-free-lsm/log/log-reader.ts';
import { LogWriter } from '../../../../native-free-lsm/log/log-writer.ts';
import { surveyLog } from '../../../../native-free-lsm/offline/log-survey.ts';
import { fileSystemError, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { DIRECTORY, frames, GENERATION, LOG_PATH, put, replay, shown } from './log-support.ts';

function create(fs = new MemoryFileSystem()): { fs: MemoryFileSystem; log: LogWriter } {
  fs.makeDirectorySync(DIRECTORY);
  return { fs, log: LogWriter.create(fs, DIRECTORY, GENERATION) };
}

function append(log: LogWriter, ...operations: Parameters<typeof frames>[0]): void {
  const run = frames(operations);
  log.append(run, 0, run.length);
}

const A = put('a', '1');
const B = put('b', '2'.repeat(30));
const C = put('c', '');

test('a closed log gives back its puts in order', () => {
  const { fs, log } = create();
  append(log, A, [B, C]);
  log.sync();
  append(log, C);
  append(log);
  assert.equal(log.syncedBytes < log.lengthBytes, true);
  log.finish(BatchKind.cleanClose);
  log.close();
  assert.equal(log.syncedBytes, log.lengthBytes);
  assert.equal(fs.openDescriptors, 0);
  assert.deepEqual(replay(fs), {
    batches: 2,
    lengthBytes: fs.sizeSync(LOG_PATH),
    tornBytes: 0,
    clean: true,
    continued: false,
    puts: [A, B, C, C].map(shown),
  });
  assert.deepEqual(replay(fs.crash({ bytes: 'lost', names: 'lost' })).puts.length, 4);
  assert.throws(() => append(log, A), { code: 'CLOSED' });
  assert.equal(fs.openDescriptors, 0);
});

test('one append is one write, from the middle of shared memory', () => {
  const { fs, log } = create();
  const run = frames([A, B]);
  const ring = new Uint8Array(new SharedArrayBuffer(run.length + 16)).fill(0xff);
  ring.set(run, 8);
  const before = fs.callCount;
  log.append(ring, 8, 8 + run.length);
  assert.equal(fs.callCount - before, 1);
  assert.equal(log.lengthBytes, FILE_HEADER_BYTES + BATCH_HEADER_BYTES + run.length);
  log.close();
  assert.deepEqual(replay(fs).puts, [A, B].map(shown));
  assert.throws(() => log.append(ring, 0, 7), { code: 'INVALID_ARGUMENT' });
});

test('batches larger than the reading window', () => {
  const { fs, log } = create();
  const large = put('large', 'x'.repeat(5_000_000));
  append(log, A);
  append(log, large, B);
  append(log, C);
  log.close();
  assert.deepEqual(replay(fs).puts, [A, large, B, C].map(shown));
});

test('every flipped byte of a closed log is found, with the place', () => {
  const { fs, log } = create();
  const starts = [0];
  for (const operations of [[A, B], [[B, C]], [C]]) {
    starts.push(log.lengthBytes);
    append(log, ...operations);
    log.sync();
  }
  const markAt = log.lengthBytes;
  log.finish(BatchKind.cleanClose);
  const whole = fs.contents(LOG_PATH);
  const puts = replay(fs).puts;
  for (let at = 0; at < whole.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const flipped = whole.slice();
      flipped[at] ^= flip;
      fs.place(LOG_PATH, flipped);
      if (at < markAt) {
        const offset = starts.findLast((start) => start <= at);
        assert.throws(() => replay(fs), { code: 'CORRUPTION', file: LOG_PATH, offset }, `byte ${at}`);
        assert.deepEqual(fs.contents(LOG_PATH), flipped, 'damage is left as it is');
      } else {
        const replayed = replay(fs);
        assert.deepEqual(replayed.puts, puts);
        assert.equal(replayed.clean, false);
        assert.equal(replayed.tornBytes, whole.length - markAt);
      }
    }
  }
});

test('a log cut anywhere gives back its whole batches, and is cut behind them for good', () => {
  const { fs, log } = create();
  const ends = [FILE_HEADER_BYTES];
  for (const one of [A, B, C]) {
    append(log, one);
    ends.push(log.lengthBytes);
  }
  log.close();
  const whole = fs.contents(LOG_PATH);
  for (let length = 0; length <= whole.length; length++) {
    fs.place(LOG_PATH, whole.subarray(0, length));
    const batches = ends.findLastIndex((end) => end <= length);
    const lengthBytes = ends[batches] ?? 0;
    const puts = [A, B, C].slice(0, Math.max(0, batches)).map(shown);
    const expected = { batches: puts.length, lengthBytes, clean: false, continued: false, puts };
    assert.deepEqual(replay(fs), { ...expected, tornBytes: length - lengthBytes });
    // One without its header has got it by now.
    const made = { ...expected, lengthBytes: Math.max(lengthBytes, FILE_HEADER_BYTES), tornBytes: 0 };
    assert.deepEqual(replay(fs.crash({ bytes: 'lost', names: 'lost' })), made);
  }
});

test('a log that could neither be created nor removed is created by the next attempt', () => {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  fs.onCall = ({ operation, path, lengthBytes }) => {
    const error = fileSystemError('EIO', operation, path);
    if (operation === 'write') return { doneBytes: lengthBytes, error };
    if (operation === 'remove') throw error;
    return undefined;
  };
  assert.throws(() => LogWriter.create(fs, DIRECTORY, GENERATION), { code: 'IO_ERROR' });
  assert.ok(fs.existsSync(LOG_PATH));
  fs.onCall = undefined;
  const log = LogWriter.create(fs, DIRECTORY, GENERATION);
  append(log, A);
  log.close();
  assert.deepEqual(replay(fs).puts, [shown(A)]);
});

test('a header of another log is what a removed file has left, if nothing follows it, and damage if something does', () => {
  const { fs, log } = create();
  append(log, A);
  log.close();
  const other = join(DIRECTORY, logFileName(GENERATION + 1));
  fs.place(other, fs.contents(LOG_PATH).subarray(0, FILE_HEADER_BYTES));
  const nothing = { batches: 0, lengthBytes: 0, clean: false, continued: false, puts: [] };
  const expected = { ...nothing, tornBytes: FILE_HEADER_BYTES };
  assert.deepEqual(replay(fs, GENERATION + 1), expected);
  fs.place(other, fs.contents(LOG_PATH));
  assert.throws(() => replay(fs, GENERATION + 1), { code: 'CORRUPTION', file: other, offset: 8 });
});

test('records that a replay hands out are durable, whatever the process that wrote them had synced', () => {
  for (const failing of [false, true]) {
    const { fs, log } = create();
    append(log, A);
    log.sync();
    append(log, B);
    append(log, C);
    if (failing) {
      fs.onCall = ({ operation, path }) => {
        if (operation === 'fdatasync') throw fileSystemError('EIO', operation, path);
        return undefined;
      };
      assert.throws(() => log.sync(), { code: 'POISONED' });
    }
    const killed = fs.kill();
    assert.deepEqual(replay(killed.crash({ bytes: 'lost', names: 'lost' })).puts, [shown(A)]);
    assert.deepEqual(replay(killed).puts, [A, B, C].map(shown));
    assert.equal(killed.openDescriptors, 0);
    assert.deepEqual(replay(killed.crash({ bytes: 'lost', names: 'lost' })).puts, [A, B, C].map(shown));
  }
});

test('a lost batch is a torn tail if nothing says that it had been synced, and damage if something does', () => {
  for (const synced of [false, true]) {
    const { fs, log } = create();
    append(log, A);
    const at = log.lengthBytes;
    append(log, B);
    if (synced) log.sync();
    append(log, C);
    log.close();
    const bytes = fs.contents(LOG_PATH);
    bytes.fill(0, at, at + 16);
    fs.place(LOG_PATH, bytes);
    if (synced) assert.throws(() => replay(fs), { code: 'CORRUPTION', offset: at });
    else assert.deepEqual(replay(fs).puts, [A].map(shown));
  }
});

test('a value that holds a piece of a log is never taken for a batch', () => {
  const other = create();
  append(other.log, A);
  other.log.sync();
  append(other.log, A);
  other.log.sync();
  append(other.log, A);
  const { fs, log } = create();
  const pieces = Buffer.concat(
    Array.from({ length: 8 }, (_, shift) =>
      Buffer.concat([Buffer.alloc(shift), other.fs.contents(LOG_PATH)]),
    ),
  );
  append(log, { key: Buffer.from('k'), record: Buffer.concat([A.record, pieces]) });
  log.close();
  const whole = fs.contents(LOG_PATH);
  fs.place(LOG_PATH, whole.subarray(0, whole.length - 1));
  assert.deepEqual(replay(fs).puts, []);
});

test('another number, another format, another file', () => {
  const { fs, log } = create();
  append(log, A);
  log.finish(BatchKind.cleanClose);
  const bytes = fs.contents(LOG_PATH);
  fs.place('/db/000008.log', bytes);
  assert.throws(() => replay(fs, 8), { code: 'CORRUPTION', file: '/db/000008.log', offset: 8 });
  const newer = Buffer.from(bytes);
  newer.writeUInt32LE(3, 4);
  newer.writeUInt32LE(crc32(newer.subarray(0, 12)), 12);
  fs.place(LOG_PATH, newer);
  assert.throws(() => replay(fs), { code: 'UNSUPPORTED_FORMAT', file: LOG_PATH });
  fs.place(LOG_PATH, Buffer.from('#!/bin/sh\necho something else entirely\n'));
  assert.throws(() => replay(fs), { code: 'CORRUPTION', file: LOG_PATH, offset: 0 });
  fs.place(LOG_PATH, Buffer.concat([bytes, bytes]));
  assert.throws(() => replay(fs), { code: 'CORRUPTION', offset: bytes.length });
  assert.throws(() => replay(fs, 9), { code: 'IO_ERROR', file: '/db/000009.log' });
});

/** Appends and syncs one batch after the other, until the log has made room ahead of the last one. */
function appendUntilRoom(fs: MemoryFileSystem, log: LogWriter): string[] {
  const puts: string[] = [];
  while (fs.sizeSync(LOG_PATH) === log.lengthBytes) {
    assert.ok(puts.length < 100, 'no room was made');
    append(log, A);
    puts.push(shown(A));
    log.sync();
  }
  return puts;
}

test('batches that are synced one by one are written over zeros, so that the file need not grow', () => {
  const { fs, log } = create();
  const puts = appendUntilRoom(fs, log);
  const sizeBytes = fs.sizeSync(LOG_PATH);
  assert.deepEqual(
    [...fs.contents(LOG_PATH).subarray(log.lengthBytes)].filter((byte) => byte !== 0),
    [],
  );
  const before = fs.callCount;
  append(log, B);
  log.sync();
  assert.equal(fs.callCount - before, 2, 'one write, one sync');
  assert.equal(fs.sizeSync(LOG_PATH), sizeBytes);
  while (fs.sizeSync(LOG_PATH) === sizeBytes) {
    append(log, C);
    log.sync();
    puts.push(shown(C));
  }
  puts.splice(puts.indexOf(shown(C)), 0, shown(B));
  assert.ok(fs.sizeSync(LOG_PATH) > log.lengthBytes, 'and more room was made');
  const killed = fs.crash({ bytes: 'lost', names: 'lost' });
  assert.deepEqual(replay(killed).puts, puts);
  assert.equal(killed.sizeSync(LOG_PATH), log.lengthBytes, 'an opening cuts off the room');
  log.finish(BatchKind.continued);
  assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes, 'so does the end of the log');
  assert.deepEqual(replay(fs), { ...replay(fs), puts, clean: true, continued: true, tornBytes: 0 });
});

test('no room is made for batches that wait for a sync together, nor for large ones', () => {
  const { fs, log } = create();
  for (let i = 0; i < 100; i++) {
    append(log, A);
    if (i % 2 === 1) log.sync();
    assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes);
  }
  const large = put('large', 'x'.repeat(50_000));
  for (let i = 0; i < 20; i++) {
    append(log, large);
    log.sync();
    assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes);
  }
  log.close();
});

test('a disk without room for zeros takes batches as before', () => {
  for (const doneBytes of [0, 100]) {
    const { fs, log } = create();
    const puts: string[] = [];
    let refused = 0;
    fs.onCall = ({ lengthBytes, operation, path }) => {
      if (operation !== 'write' || lengthBytes < 4096) return undefined;
      refused++;
      return { doneBytes, error: fileSystemError('ENOSPC', operation, path) };
    };
    for (let i = 0; i < 20; i++) {
      append(log, B);
      log.sync();
      puts.push(shown(B));
    }
    assert.equal(refused, 1, 'it is not tried with every batch');
    assert.deepEqual(replay(fs.kill()).puts, puts);
    log.finish(BatchKind.cleanClose);
    assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes);
    assert.deepEqual(replay(fs).puts, puts);
  }
});

test('a batch that could not be written in its room leaves no trace', () => {
  const { fs, log } = create();
  const puts = appendUntilRoom(fs, log);
  fs.onCall = ({ operation, path }) =>
    operation === 'write' ? { doneBytes: 50, error: fileSystemError('EIO', operation, path) } : undefined;
  assert.throws(() => append(log, B), { code: 'IO_ERROR' });
  fs.onCall = undefined;
  append(log, C);
  log.sync();
  puts.push(shown(C));
  assert.deepEqual(replay(fs.kill()).puts, puts);
  log.finish(BatchKind.cleanClose);
  assert.deepEqual(replay(fs).puts, puts);
});

test('a log whose room cannot be cut off is not marked, and takes batches as before', () => {
  const { fs, log } = create();
  const puts = appendUntilRoom(fs, log);
  fs.onCall = ({ operation, path }) => {
    if (operation === 'truncate') throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  assert.throws(() => log.finish(BatchKind.continued), { code: 'IO_ERROR' });
  append(log, B);
  log.sync();
  puts.push(shown(B));
  assert.deepEqual(replay(fs.kill()).puts, puts);
  fs.onCall = undefined;
  log.finish(BatchKind.continued);
  assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes);
  assert.deepEqual(replay(fs).puts, puts);
});

test('what is torn is told from the room behind it', () => {
  const { fs, log } = create();
  const puts = appendUntilRoom(fs, log);
  const { lengthBytes } = log;
  append(log, B);
  const bytes = fs.contents(LOG_PATH);
  bytes.fill(0, lengthBytes + 60);
  fs.place(LOG_PATH, bytes);
  const replayed = replayLog(fs, DIRECTORY, GENERATION, () => undefined);
  assert.equal(replayed.puts, puts.length);
  assert.ok(replayed.tornBytes > 32 && replayed.tornBytes <= 60, `${replayed.tornBytes} bytes are torn`);
  assert.equal(replayed.lengthBytes + replayed.tornBytes + replayed.roomBytes, bytes.length);
  const [gap, ...others] = surveyLog(fs, LOG_PATH, FileMagic.log, GENERATION).gaps;
  assert.deepEqual(gap, { offset: lengthBytes, lengthBytes: replayed.tornBytes, isTorn: true });
  assert.deepEqual(others, []);
});

test('a full disk leaves no trace: the log is cut back and goes on once there is room', () => {
  for (const room of [0, 1, 31, 40, 60]) {
    const { fs, log } = create();
    append(log, A);
    log.sync();
    fs.capacityBytes = fs.usedBytes + room;
    assert.throws(() => append(log, B, B), { code: 'NO_SPACE', canRetry: true });
    assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes + room);
    if (room > 1) log.cutBack();
    fs.capacityBytes = Number.POSITIVE_INFINITY;
    append(log, C);
    log.finish(BatchKind.cleanClose);
    assert.deepEqual(replay(fs).puts, [A, C].map(shown));
  }
});

test('room that is looked for is found or not, and nothing of it is left', () => {
  const { fs, log } = create();
  const puts = appendUntilRoom(fs, log);
  append(log, B);
  puts.push(shown(B));
  let writes = 0;
  fs.onCall = ({ operation }) => {
    if (operation === 'write') writes++;
    return undefined;
  };
  const wanted = 600 * 1024;
  const behindBatches = fs.sizeSync(LOG_PATH) - log.lengthBytes;
  fs.capacityBytes = fs.usedBytes + wanted - 1;
  assert.throws(() => log.findRoom(wanted), { code: 'NO_SPACE', canRetry: true });
  assert.equal(writes, 0, 'a disk that says that it is full is not filled');
  fs.capacityBytes++;
  log.findRoom(wanted);
  assert.ok(writes > 1 && behindBatches > 0);
  assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes);
  append(log, C);
  log.finish(BatchKind.cleanClose);
  assert.deepEqual(replay(fs).puts, [...puts, shown(C)]);
});

test('room is not found where a quota ends, of which the disk says nothing, or where the disk says nothing at all', () => {
  for (const isSilent of [false, true]) {
    const { fs, log } = create();
    append(log, A);
    log.sync();
    fs.onCall = ({ lengthBytes, operation, path }) => {
      if (operation === 'freeBytes' && isSilent) throw fileSystemError('ENOSYS', operation, path);
      if (operation !== 'write' || fs.usedBytes + lengthBytes < 400 * 1024) return undefined;
      return { doneBytes: 1000, error: fileSystemError('EDQUOT', operation, path) };
    };
    assert.throws(() => log.findRoom(600 * 1024), { code: 'NO_SPACE' });
    assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes);
    log.findRoom(300 * 1024);
    append(log, B);
    log.finish(BatchKind.cleanClose);
    assert.deepEqual(replay(fs).puts, [A, B].map(shown));
  }
});

test('room that was found and cannot be cut off is cut off before the next batch', () => {
  const { fs, log } = create();
  append(log, A);
  fs.onCall = ({ operation, path }) => {
    if (operation === 'truncate') throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  assert.throws(() => log.findRoom(1000), { code: 'IO_ERROR' });
  assert.throws(() => append(log, B), { code: 'IO_ERROR' });
  assert.deepEqual(replay(fs.kill()).puts, [shown(A)]);
  fs.onCall = undefined;
  append(log, C);
  assert.equal(fs.sizeSync(LOG_PATH), log.lengthBytes);
  log.finish(BatchKind.cleanClose);
  assert.deepEqual(replay(fs).puts, [A, C].map(shown));
});

test('a log that cannot be created leaves no file', () => {
  for (const operation of ['write', 'fdatasync', 'syncDirectory']) {
    const fs = new MemoryFileSystem();
    fs.makeDirectorySync(DIRECTORY);
    fs.onCall = (call) => {
      if (call.operation === operation) throw fileSystemError('ENOSPC', call.operation, call.path);
    };
    assert.throws(() => LogWriter.create(fs, DIRECTORY, GENERATION), { code: 'NO_SPACE' });
    assert.deepEqual(fs.listSync(DIRECTORY), []);
    assert.equal(fs.openDescriptors, 0);
  }
  const { fs, log } = create();
  append(log, A);
  const before = fs.contents(LOG_PATH);
  assert.throws(() => LogWriter.create(fs, DIRECTORY, GENERATION), { code: 'IO_ERROR' });
  assert.deepEqual(fs.contents(LOG_PATH), before, 'a log that holds something is never touched');
});

test('a failed sync poisons, whatever comes after', () => {
  const { fs, log } = create();
  append(log, A);
  fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync') throw fileSystemError('EIO', operation, path);
  };
  assert.throws(() => log.sync(), { code: 'POISONED', canRetry: false });
  fs.onCall = undefined;
  for (const call of [
    () => log.sync(),
    () => append(log, B),
    () => log.cutBack(),
    () => log.finish(BatchKind.cleanClose),
  ]) {
    assert.throws(call, { code: 'POISONED' });
  }
  assert.equal(log.syncedBytes, FILE_HEADER_BYTES);
  log.close();
});

test('a failed write is an I/O error, and the next append takes its place', () => {
  const { fs, log } = create();
  fs.onCall = ({ operation, path }) => {
    if (operation === 'write') throw fileSystemError('EIO', operation, path);
  };
  assert.throws(() => append(log, A), { code: 'IO_ERROR' });
  fs.onCall = ({ operation, path }) => {
    if (operation === 'truncate') throw fileSystemError('EIO', operation, path);
  };
  assert.throws(() => append(log, A), { code: 'IO_ERROR' });
  fs.onCall = undefined;
  append(log, B);
  log.close();
  assert.deepEqual(replay(fs).puts, [shown(B)]);
});

test('bytes that a later version wrote are named as such, and bytes that no version writes are damage', () => {
  const refused = (change: (run: Uint8Array) => void, kind = 1): unknown => {
    const { fs, log } = create();
    append(log, A);
    log.close();
    const run = frames([B]);
    change(run);
    const header = new Uint8Array(BATCH_HEADER_BYTES);
    const at = log.lengthBytes;
    encodeBatchHeader(header, run, GENERATION, kind as BatchKind, at, at);
    fs.place(LOG_PATH, Buffer.concat([fs.contents(LOG_PATH), header, run]));
    try {
      replay(fs);
    } catch (error) {
      assert.ok(error instanceof LsmError);
      assert.equal(error.file, LOG_PATH);
      assert.equal(error.offset, kind === 1 ? at + BATCH_HEADER_BYTES : at);
      return error.code;
    }
    assert.fail('it was read');
  };
  const unchanged = () => {};
  assert.equal(refused(unchanged, 4), 'UNSUPPORTED_FORMAT');
  assert.equal(refused(unchanged, 0), 'CORRUPTION');
  const setting = (offset: number, byte: number) => (run: Uint8Array) => {
    run[offset] = byte;
  };
  // Behind the frame's 8 bytes: the operation and its flags; behind 8 more and the key: the record.
  assert.equal(refused(setting(8, 3)), 'UNSUPPORTED_FORMAT');
  assert.equal(refused(setting(9, 2)), 'UNSUPPORTED_FORMAT');
  assert.equal(refused(setting(17, 2)), 'UNSUPPORTED_FORMAT');
  assert.equal(refused(setting(8, 0)), 'CORRUPTION');
  assert.equal(refused(setting(17, 0)), 'CORRUPTION');
});

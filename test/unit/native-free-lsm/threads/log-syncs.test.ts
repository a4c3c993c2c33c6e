import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchKind } from '../../../../native-free-lsm/log/log-format.ts';
import { LogWriter } from '../../../../native-free-lsm/log/log-writer.ts';
import { fileSystemError, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { LogSyncs } from '../../../../native-free-lsm/threads/log-syncs.ts';
import type { SyncEnd } from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { DIRECTORY, frames, GENERATION, put, replay, shown } from '../log/log-support.ts';

const MEMTABLE_BYTES = 64 * 1024;
const AHEAD_BYTES = MEMTABLE_BYTES / 4;
/** About a tenth of what a sync begins with. */
const LITTLE = put('little', 'x'.repeat(AHEAD_BYTES / 10));
const ENOUGH = put('enough', 'x'.repeat(AHEAD_BYTES));

/** A log, its syncs, and a main that makes them when the test says so. */
function start() {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  const log = LogWriter.create(fs, DIRECTORY, GENERATION);
  const begun: number[] = [];
  const ends = new Map<number, SyncEnd>();
  const syncs = new LogSyncs(
    {
      begin: (target) => begun.push(target as number),
      endOf: (sync) => {
        const end = ends.get(sync);
        ends.delete(sync);
        return end;
      },
    },
    MEMTABLE_BYTES,
  );
  const append = (operation: typeof LITTLE): void => {
    const run = frames([operation]);
    log.append(run, 0, run.length);
    syncs.syncAhead(log);
  };
  /** The last one that was begun. */
  const end = (failure?: SyncEnd['failure']): void => {
    if (failure === undefined) fs.fdatasyncSync(begun.at(-1) as number);
    ends.set(begun.length, failure === undefined ? { sync: begun.length } : { sync: begun.length, failure });
  };
  return { fs, log, begun, syncs, append, end };
}

const EIO = { code: 'EIO', message: 'EIO: i/o error, fdatasync', syscall: 'fdatasync' };

test('a sync begins each time a log has grown by a quarter of its memtable, and only one at a time', () => {
  const { append, begun, end, log, syncs } = start();
  for (let i = 0; i < 9; i++) append(LITTLE);
  assert.equal(begun.length, 0);
  append(ENOUGH);
  assert.equal(begun.length, 1);
  assert.equal(syncs.isUnderWay, true);
  assert.equal(syncs.isAwaited, false, 'writes go on');
  const begunAt = log.lengthBytes;
  append(ENOUGH);
  append(ENOUGH);
  assert.equal(begun.length, 1);
  syncs.look();
  assert.equal(syncs.isUnderWay, true);
  end();
  syncs.look();
  assert.equal(syncs.isUnderWay, false);
  assert.equal(log.syncedBytes, begunAt, 'of what came later nothing is known');
  append(LITTLE);
  assert.equal(begun.length, 2);
});

test('what was synced ahead is not taken for a torn tail', () => {
  const { append, end, fs, log, syncs } = start();
  append(ENOUGH);
  end();
  syncs.look();
  append(LITTLE);
  append(LITTLE);
  log.close();
  const lost = fs.crash({ bytes: 'lost', names: 'lost' });
  assert.deepEqual(replay(lost).puts, [ENOUGH].map(shown));
  const path = log.path;
  const damaged = fs.contents(path);
  damaged[100] ^= 1;
  fs.place(path, damaged);
  assert.throws(() => replay(fs), { code: 'CORRUPTION' });
});

test('a log that ends waits for the sync under way and for one of the rest', () => {
  const { append, begun, end, log, syncs } = start();
  append(ENOUGH);
  append(LITTLE);
  assert.equal(syncs.endsUnsynced(log), true);
  assert.equal(syncs.isAwaited, true);
  assert.equal(begun.length, 1);
  end();
  syncs.look();
  assert.equal(syncs.isAwaited, false);
  assert.equal(syncs.endsUnsynced(log), true);
  assert.equal(begun.length, 2);
  end();
  syncs.look();
  assert.equal(syncs.endsUnsynced(log), false);
  assert.equal(log.syncedBytes, log.lengthBytes);
});

test('a sync ahead that fails poisons the log once, whatever was written meanwhile', () => {
  const { append, end, log, syncs } = start();
  append(ENOUGH);
  append(LITTLE);
  assert.equal(syncs.awaitEnd(), true);
  end(EIO);
  assert.throws(() => syncs.look(), { code: 'POISONED', message: /EIO/ });
  assert.equal(syncs.isAwaited, false);
  assert.equal(syncs.isUnderWay, false);
  syncs.look();
  assert.throws(() => log.sync(), { code: 'POISONED' });
  assert.throws(() => append(LITTLE), { code: 'POISONED' });
});

test('what is synced beside main counts as synced when main has synced, too', () => {
  const { append, end, fs, log, syncs } = start();
  append(ENOUGH);
  append(LITTLE);
  const before = log.syncedBytes;
  log.syncBeside();
  assert.equal(log.syncedBytes, before);
  const lost = fs.crash({ bytes: 'lost', names: 'lost' });
  assert.deepEqual(replay(lost).puts, [ENOUGH, LITTLE].map(shown));
  const besideBytes = log.lengthBytes;
  append(LITTLE);
  end();
  syncs.look();
  assert.equal(log.syncedBytes, besideBytes);
});

// The system tells one of the two.
for (const told of ['main', 'the writer'] as const) {
  test(`of two syncs the one that fails poisons the log, of which ${told} is told`, () => {
    const { append, end, fs, log, syncs } = start();
    append(ENOUGH);
    append(LITTLE);
    const before = log.syncedBytes;
    if (told === 'main') {
      log.syncBeside();
      end(EIO);
    } else {
      fs.onCall = () => {
        throw fileSystemError('EIO', 'fdatasync', log.path);
      };
      assert.throws(() => log.syncBeside(), { code: 'POISONED' });
      fs.onCall = undefined;
      end();
    }
    assert.throws(() => syncs.look(), { code: 'POISONED', message: /EIO/ });
    assert.equal(log.syncedBytes, before);
    assert.equal(syncs.isUnderWay, false);
    assert.throws(() => append(LITTLE), { code: 'POISONED' });
  });
}

// The cut is what a power loss may undo: the sync that ran beside it need not have covered it.
for (const [when, isCutSynced, isSyncedBeside] of [
  ['before', true, false],
  ['after', false, false],
  ['after', true, true],
] as const) {
  const name = isSyncedBeside ? ', and synced beside it,' : '';
  test(`bytes cut off ${when} a sync ahead has begun${name} are ${isCutSynced ? 'gone with' : 'synced after'} it`, () => {
    const { end, fs, log, syncs } = start();
    const fail = (): void => {
      fs.onCall = ({ operation }) => {
        if (operation === 'write') throw fileSystemError('ENOSPC', 'write', log.path);
      };
      const run = frames([LITTLE]);
      assert.throws(() => log.append(run, 0, run.length), { code: 'NO_SPACE' });
      fs.onCall = undefined;
      log.cutBack();
    };
    const run = frames([ENOUGH]);
    log.append(run, 0, run.length);
    if (when === 'before') fail();
    syncs.syncAhead(log);
    if (when === 'after') fail();
    if (isSyncedBeside) log.syncBeside();
    end();
    syncs.look();
    assert.equal(log.syncedBytes, log.lengthBytes);
    let fdatasyncs = 0;
    fs.onCall = ({ operation }) => {
      if (operation === 'fdatasync') fdatasyncs++;
    };
    log.finish(BatchKind.cleanClose);
    // One is of the mark.
    assert.equal(fdatasyncs, isCutSynced ? 1 : 2);
  });
}

test('without a main for it nothing is begun', () => {
  const { log } = start();
  const syncs = new LogSyncs(null, MEMTABLE_BYTES);
  const run = frames([ENOUGH]);
  log.append(run, 0, run.length);
  syncs.syncAhead(log);
  assert.equal(syncs.endsUnsynced(log), false);
  assert.equal(syncs.isUnderWay, false);
  syncs.look();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BatchKind, FILE_HEADER_BYTES } from '../../../../native-free-lsm/log/log-format.ts';
import { LogWriter } from '../../../../native-free-lsm/log/log-writer.ts';
import type { Survival } from '../../../../native-free-lsm/simulation/index.ts';
import {
  type CallHook,
  fileSystemError,
  MemoryFileSystem,
  SimulatedCrash,
} from '../../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { DIRECTORY, frames, GENERATION, put, replay, shown } from './log-support.ts';

/** Bytes of the value of a batch to append, a sync, or a look for room behind the batch before it. */
type Step = number | 'sync' | 'findRoom';
/** More than is written at a time. */
const FOUND_ROOM_BYTES = 300 * 1024;
const SURVIVALS: readonly Survival[] = ['lost', 'kept', 'torn', 'torn', 'torn'];

interface Run {
  readonly fs: MemoryFileSystem;
  /** Every put handed to the log, in order. */
  readonly written: string[];
  /** How many of them a successful sync covers; -1: not even the log itself. */
  readonly synced: number;
}

function run(steps: readonly Step[], crashAt: number, hook: CallHook): Run {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  const first = fs.callCount;
  fs.onCall = (call) => {
    if (call.index - first === crashAt) throw new SimulatedCrash();
    return hook(call);
  };
  const written: string[] = [];
  let synced = -1;
  try {
    const log = LogWriter.create(fs, DIRECTORY, GENERATION);
    synced = 0;
    steps.forEach((step, i) => {
      if (step === 'sync') {
        log.sync();
        synced = written.length;
      } else if (step === 'findRoom') log.findRoom(FOUND_ROOM_BYTES);
      else {
        const one = put(`key${i}`, String.fromCharCode(97 + i).repeat(step));
        const run = frames([one]);
        written.push(shown(one));
        log.append(run, 0, run.length);
      }
    });
    log.finish(BatchKind.cleanClose);
    synced = written.length;
  } catch (error) {
    const cause = (error as Error).cause ?? error;
    if (!(cause instanceof SimulatedCrash)) throw error;
  }
  return { fs, written, synced };
}

/** Crashes at every call and looks at what is left. */
function checkEveryCrash(steps: readonly Step[], seed: number, hook: CallHook = () => undefined): void {
  const whole = run(steps, -1, hook);
  assert.equal(whole.synced, whole.written.length);
  for (let crashAt = 0; crashAt <= whole.fs.callCount; crashAt++) {
    const { fs, written, synced } = run(steps, crashAt, hook);
    SURVIVALS.forEach((bytes, i) => {
      const left = fs.crash({ bytes, names: bytes, random: seededRandom(seed + i) });
      if (!left.listSync(DIRECTORY).includes('000007.log')) {
        assert.equal(synced, -1, 'a log that had been created is gone');
        return;
      }
      const first = replay(left);
      assert.deepEqual(first.puts, written.slice(0, first.puts.length), 'what is back was written, in order');
      assert.ok(first.puts.length >= synced, `${synced} were synced, ${first.puts.length} are back`);
      const again = replay(left.crash({ bytes: 'lost', names: 'lost' }));
      // One without its header has got it by now.
      const lengthBytes = Math.max(first.lengthBytes, FILE_HEADER_BYTES);
      assert.deepEqual(again, { ...first, lengthBytes, tornBytes: 0 });
    });
  }
}

const arbitrarySteps = fc.array(fc.oneof(fc.nat(1200), fc.constant('sync' as const)), { maxLength: 12 });

test('a crash at any call leaves every synced batch and nothing that was not written', () => {
  fc.assert(
    fc.property(arbitrarySteps, fc.nat(), (steps, seed) => checkEveryCrash(steps, seed)),
    { numRuns: 60 },
  );
});

test('a crash at any call of a log that makes room ahead of its batches', () => {
  const synced = Array.from({ length: 14 }, (_, i): Step[] => [i * 40, 'sync']).flat();
  checkEveryCrash([...synced, 900, 20, 'sync', 20], 1);
});

test('a crash at any call of a log while room is looked for behind its batches', () => {
  checkEveryCrash([100, 'findRoom', 30, 'sync', 500, 'sync', 'findRoom', 'findRoom', 20, 'findRoom'], 1);
});

test('planted faults are noticed: a sync of the file or of the directory that does nothing', () => {
  const steps: Step[] = [100, 'sync', 700, 300, 'sync', 10];
  checkEveryCrash(steps, 1);
  for (const skipped of ['fdatasync', 'syncDirectory']) {
    const hook: CallHook = ({ operation }) => (operation === skipped ? 'skip' : undefined);
    assert.throws(() => checkEveryCrash(steps, 1, hook), /had been created is gone|were synced|damaged/);
  }
});

// When two writes to a place have no sync between them, a power loss keeps any part of either: here a mark, which must
// be the end, with what was cut off before it, or with what was appended in its place.
const LONG = put('long', 'x'.repeat(3000));

function failing(fs: MemoryFileSystem, failed: string, whole: boolean): void {
  let due = true;
  fs.onCall = ({ operation, path, lengthBytes }) => {
    if (operation !== failed || !due) return undefined;
    due = false;
    const error = fileSystemError('EIO', operation, path);
    if (operation !== 'write') throw error;
    return { doneBytes: whole ? lengthBytes : 2000, error };
  };
}

/** Stops the machine at every call of `then`, in many ways, and reads what is left. */
function checkLeft(fs: MemoryFileSystem, acknowledged: readonly string[], then: () => void): void {
  const images: MemoryFileSystem[] = [];
  const take = (): void => {
    for (let seed = 0; seed < 60; seed++)
      images.push(fs.crash({ bytes: 'torn', names: 'kept', random: seededRandom(seed) }));
  };
  const { onCall } = fs;
  fs.onCall = (call) => {
    take();
    return onCall?.(call);
  };
  then();
  fs.onCall = undefined;
  take();
  for (const image of images) {
    const { puts } = replay(image);
    assert.deepEqual(puts.slice(0, acknowledged.length), acknowledged);
  }
}

/** A log with one batch, synced. */
function loggedOnce() {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  const log = LogWriter.create(fs, DIRECTORY, GENERATION);
  const first = frames([put('a', '1')]);
  log.append(first, 0, first.length);
  log.sync();
  return { first, fs, log };
}

for (const kind of [BatchKind.cleanClose, BatchKind.continued]) {
  for (const whole of [false, true]) {
    test(`a mark of kind ${kind} in place of a write that failed, ${whole ? 'whole' : 'half'} there: a power loss leaves no damage`, () => {
      const { fs, log } = loggedOnce();
      failing(fs, 'write', whole);
      const long = frames([LONG]);
      assert.throws(() => log.append(long, 0, long.length), { code: 'IO_ERROR' });
      checkLeft(fs, [shown(put('a', '1'))], () => log.finish(kind));
    });
  }
}

test('a batch in place of a mark that could not be synced: a power loss leaves no damage', () => {
  const { fs, log } = loggedOnce();
  failing(fs, 'fdatasync', true);
  assert.throws(() => log.finish(BatchKind.continued), { code: 'IO_ERROR' });
  const long = frames([LONG]);
  checkLeft(fs, [shown(put('a', '1'))], () => {
    log.append(long, 0, long.length);
    log.sync();
  });
  assert.deepEqual(replay(fs).puts, [put('a', '1'), LONG].map(shown));
  log.close();
});

test('a cut that cannot be made durable is tried again, and nothing is written over what it was to cut', () => {
  const { first, fs, log } = loggedOnce();
  fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync') throw fileSystemError('EIO', operation, path);
  };
  for (let attempt = 0; attempt < 3; attempt++)
    assert.throws(() => log.finish(BatchKind.continued), { code: 'IO_ERROR' });
  const calls: string[] = [];
  fs.onCall = ({ operation, path }) => {
    calls.push(operation);
    if (operation === 'fdatasync') throw fileSystemError('EIO', operation, path);
  };
  assert.throws(() => log.append(first, 0, first.length), { code: 'IO_ERROR' });
  assert.ok(!calls.includes('write'), `${calls}`);
  fs.onCall = undefined;
  log.append(first, 0, first.length);
  log.finish(BatchKind.cleanClose);
  assert.deepEqual(replay(fs).puts, [put('a', '1'), put('a', '1')].map(shown));
});

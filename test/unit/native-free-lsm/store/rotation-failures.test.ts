/** Every step of switching to the next memtable and log fails once, and is tried again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LsmError, WriteStatus } from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { STOPS, stopName, stopped } from '../../../support/engine-crash.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const LARGE = Buffer.alloc(9000, 'x');
/** Of the 64 KiB of a memtable these take most: a tenth does not fit, a small put does. */
const LARGE_PUTS = 6;
/** More than a rotation has. */
const MOST_CALLS = 20;

const POISONED = 'poisoned';

/** @returns the call that failed, if there was one; POISONED when nothing may be acknowledged any more */
async function rotate(failAt: number, code: string): Promise<string | undefined> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, writeStallTimeoutMs: 1000 });
  const { fs } = simulation;
  const store = simulation.openStore();
  const write = async (key: string, timestamp: number, value: string | Uint8Array) =>
    simulation.settle(writeRecordTo(store, Buffer.from(key), record(timestamp, value)));
  for (let i = 1; i <= LARGE_PUTS; i++) {
    const { error } = await write(`large${i}`, i, LARGE);
    assert.equal(error, null);
  }
  assert.equal(store.stats().memtables, 1);
  const start = fs.callCount;
  let failed: string | undefined;
  fs.onCall = ({ index, operation, path, lengthBytes }) => {
    if (index !== start + failAt) return undefined;
    failed = `${operation} ${path}`;
    const error = fileSystemError(code, operation, path);
    if (operation === 'write') return { doneBytes: lengthBytes >> 1, error };
    throw error;
  };
  const needsNext = await write('next', 100, LARGE);
  fs.onCall = undefined;
  if (needsNext.error !== null) {
    if ((needsNext.error as LsmError).code === 'POISONED') return POISONED;
    const small = await write('small', 101, 'fits');
    assert.equal(small.error, null, `${failed}: a small put goes on`);
    assert.equal(small.status, WriteStatus.applied);
  }
  const again = await write('next', 102, LARGE);
  assert.equal(again.error, null, `${failed}: ${again.error?.message}`);
  await simulation.settle(store.flush());
  for (let i = 1; i <= LARGE_PUTS; i++)
    assert.ok((await simulation.settle(readRecord(store, Buffer.from(`large${i}`)))) !== null);
  const killed = simulation.restartWith(fs.kill());
  const recovered = killed.openStore();
  assert.deepEqual(
    await killed.settle(readRecord(recovered, Buffer.from('next'))),
    record(102, LARGE),
    `after ${failed}`,
  );
  await killed.settle(recovered.close());
  await simulation.settle(store.close());
  assert.equal(fs.openDescriptors, 0, `${failed}: all closed`);
  return failed;
}

for (const code of ['ENOSPC', 'EMFILE', 'EIO', 'EROFS']) {
  test(`${code} at any call of a rotation: small puts go on at once, large ones when it has passed`, async () => {
    const failed = new Set<string>();
    let poisoned = 0;
    for (let failAt = 0; failAt < MOST_CALLS; failAt++) {
      const call = await rotate(failAt, code);
      if (call === POISONED) poisoned++;
      else if (call !== undefined) failed.add(call);
    }
    assert.equal(poisoned, 1, 'the sync of the put itself alone');
    for (const call of ['create /db/000002.log', 'write /db/000001.log', 'fdatasync /db/000001.log'])
      assert.ok(failed.has(call), `${call} was among ${[...failed]}`);
  });
}

// The mark at the end of a log that goes on in the next one is there whole, though its sync failed, and an engine
// that closes does not get it off the disk: then the next log must stay too.
for (const [name, fails] of [
  ['cannot be cut off', /^truncate$/],
  ['is cut off, but not durably, as nothing can be written in its place', /^write$/],
] as const) {
  test(`a mark that could not be synced and ${name}: the next start finds the log that it speaks of`, async () => {
    for (let seed = 0; seed < 5 * STOPS.length; seed++) {
      const stop = STOPS[seed % STOPS.length];
      const simulation = new EngineSimulation({ ...TINY_OPTIONS, writeStallTimeoutMs: 1000 });
      const { fs } = simulation;
      const store = simulation.openStore();
      const write = async (i: number) =>
        simulation.settle(writeRecordTo(store, Buffer.from(`large${i}`), record(i, LARGE)));
      for (let i = 1; i <= LARGE_PUTS; i++) assert.equal((await write(i)).error, null);
      let isMarked = false;
      fs.onCall = ({ operation, path }) => {
        if (path !== '/db/000001.log') return undefined;
        const isSyncOfMark = operation === 'fdatasync' && !isMarked;
        if (!isSyncOfMark && !(isMarked && fails.test(operation))) return undefined;
        isMarked = true;
        throw fileSystemError('EIO', operation, path);
      };
      const { error } = await write(100);
      assert.equal((error as LsmError | null)?.code, 'IO_ERROR');
      await simulation.settle(store.close());
      assert.equal(fs.openDescriptors, 0, 'all closed');
      const left = simulation.restartWith(stopped(fs, stop, seed));
      const again = left.openStore();
      for (let i = 1; i <= LARGE_PUTS; i++) {
        const found = await left.settle(readRecord(again, Buffer.from(`large${i}`)));
        assert.deepEqual(found, record(i, LARGE), `large${i} after ${stopName(stop)}`);
      }
      await left.settle(again.close());
    }
  });
}

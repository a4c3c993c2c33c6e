/** What happens to reads whose thread has died before it answered, and to what only that thread might still read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LsmError, RecordStore } from '../../../../native-free-lsm/index.ts';
import type { RoleHandle } from '../../../../native-free-lsm/threads/executor.ts';
import {
  readRecord,
  readResult,
  record,
  type WriteResult,
  writeRecordTo,
} from '../../../support/engine-calls.ts';
import type { EngineSimulation } from '../../../support/engine-simulation.ts';
import { killHeldReaders, mortal } from '../../../support/mortal-executor.ts';

const KEYS = 60;

function key(i: number): Buffer {
  return Buffer.from(`key${String(i).padStart(4, '0')}`);
}

/** Blocks of a record each, so that every read of a key is a read of its own. */
async function filled(simulation: EngineSimulation): Promise<RecordStore> {
  const store = simulation.openStore({ blockSizeBytes: 64, bottomBlockSizeBytes: 64 });
  for (let i = 0; i < KEYS; i++)
    await simulation.settle(writeRecordTo(store, key(i), record(i + 1, String(i).repeat(60))));
  await simulation.settle(store.flush());
  return store;
}

test('a read that three threads have died of is answered, and does not kill a fourth', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().rolesHeld = true;
  const read = readResult(store, key(1));
  const page = store.rangePage({
    start: key(0),
    end: null,
    maxBytes: 1000,
    maxEntries: 10,
    includeTombstones: true,
    encoder: 0,
    nowMs: 0,
  });
  const pageEnd = page.catch((error: LsmError) => error.code);
  await simulation.pass(1);
  await killHeldReaders(simulation, executor(), 3);
  assert.equal(((await simulation.settle(read)).error as LsmError).code, 'WORKER_DIED');
  assert.equal(await simulation.settle(pageEnd), 'WORKER_DIED');
  assert.equal(store.stats().readsInFlight, 0);
  executor().rolesHeld = false;
  executor().kick();
  // It was not this read's fault: the next one is answered.
  assert.deepEqual(await simulation.settle(readRecord(store, key(1))), record(2, '1'.repeat(60)));
  await simulation.settle(store.close());
});

test('reads that begin while those of a dead thread are asked again are answered with their own records', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().rolesHeld = true;
  const answers: [number, Uint8Array | null][] = [];
  let left = 0;
  const ask = (i: number, then?: () => void): void => {
    left++;
    const onRead = (_token: number, found: Uint8Array | null, error: Error | null): void => {
      assert.equal(error, null);
      answers.push([i, found]);
      left--;
      then?.();
    };
    store.read(key(i), { onRead }, i);
  };
  // Answered from memory when it is asked again, and then its caller asks for others, and they for others.
  ask(1, () => {
    for (let i = 10; i < 40; i++) ask(i, () => ask(i - 8));
  });
  for (let i = 40; i < KEYS; i++) ask(i);
  const written = writeRecordTo(store, key(1), record(5000, 'new'));
  await simulation.pass(1);
  executor().rolesHeld = false;
  executor().kill(executor().readers.at(-1) as RoleHandle);
  await simulation.settle(written);
  for (let turn = 0; left > 0 && turn < 100; turn++) await simulation.pass(1);
  assert.equal(left, 0);
  assert.equal(answers.length, 1 + 30 + 30 + (KEYS - 40));
  for (const [i, found] of answers)
    assert.deepEqual(found, i === 1 ? record(5000, 'new') : record(i + 1, String(i).repeat(60)), `key ${i}`);
  await simulation.settle(store.close());
});

test('a sink called while reads are asked again may release a snapshot: those behind it keep the super-versions of theirs', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  const old = store.snapshot();
  for (let i = 0; i < KEYS; i++)
    await simulation.settle(writeRecordTo(store, key(i), record(1000 + i, 'newer')));
  await simulation.settle(store.flush());
  await simulation.settle(store.compact());
  const other = store.snapshot();
  executor().rolesHeld = true;
  // Answered from memory when it is asked again, as it is written meanwhile.
  store.read(key(1), { onRead: () => other.release() }, 1);
  const answers: { record: Uint8Array | null; error: Error | null }[] = [];
  const onRead = (_token: number, found: Uint8Array | null, error: Error | null): void => {
    answers.push({ record: found, error });
  };
  store.readAt(old, key(10), { onRead }, 2);
  old.release();
  const written = writeRecordTo(store, key(1), record(5000, 'newest'));
  await simulation.pass(1);
  executor().rolesHeld = false;
  executor().kill(executor().readers.at(-1) as RoleHandle);
  await simulation.settle(written);
  await simulation.pass(50);
  assert.deepEqual(answers, [{ record: record(11, '10'.repeat(60)), error: null }]);
  const tables = simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst')).length;
  const { tablesByLevel } = store.stats();
  assert.equal(
    tables,
    tablesByLevel.reduce((sum, count) => sum + count, 0),
    'the super-versions are let go of after that',
  );
  await simulation.settle(store.close());
});

test('writes go on once a reader that was long in starting has let go of the memtables it was asked about', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().readersHeld = true;
  executor().kill(executor().readers.at(-1) as RoleHandle);
  await simulation.pass(1);
  const value = 'x'.repeat(8000);
  let timestamp = 10_000;
  const put = (): Promise<WriteResult> => writeRecordTo(store, key(0), record(timestamp++, value));
  // Each names the super-version of its moment, and with it the memtables that are not in tables yet.
  const reads: Promise<Uint8Array | null>[] = [];
  let refused: Error | null = null;
  for (let i = 0; refused === null; i++) {
    assert.ok(i < 200, 'memtables run out');
    reads.push(readRecord(store, key(1 + (i % 50))));
    refused = (await simulation.settle(put())).error;
  }
  assert.equal((refused as LsmError).code, 'OVERLOADED');
  await simulation.settle(store.maintenanceIdle());
  executor().letReadersStart();
  await simulation.settle(Promise.all(reads));
  assert.equal((await simulation.settle(put())).error, null);
  await simulation.settle(store.close());
});

/** Has tables replaced by a compaction while what `ask` asks the held threads for keeps the super-version before. */
async function replacedMeanwhile(
  ask: (store: RecordStore) => void,
): Promise<ReturnType<typeof mortal> & { store: RecordStore; tableFiles: () => number }> {
  const { simulation, executor } = mortal();
  const gate = Promise.withResolvers<void>();
  const store = await filled(simulation);
  await simulation.settle(writeRecordTo(store, key(0), record(1000, 'another')));
  await simulation.settle(store.flush());
  executor().backgroundGate = gate.promise;
  const compacted = store.compact();
  await simulation.pass(5);
  executor().rolesHeld = true;
  ask(store);
  await simulation.pass(1);
  gate.resolve();
  await simulation.settle(compacted);
  const tableFiles = (): number =>
    simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst')).length;
  const tables = store.stats().tablesByLevel.reduce((sum, count) => sum + count, 0);
  assert.ok(tableFiles() > tables, 'what was replaced may still be read');
  executor().rolesHeld = false;
  return { simulation, executor, store, tableFiles };
}

test('tables that only a dead reader might still read go with it, though nothing is asked for any more', async () => {
  const aborted = new AbortController();
  const { simulation, executor, store, tableFiles } = await replacedMeanwhile((store) => {
    const snapshot = store.snapshot();
    const request = { start: key(0), end: null, maxBytes: 1000, maxEntries: 10, includeTombstones: true };
    store.rangePage({ ...request, encoder: 0, nowMs: 0 }, snapshot, aborted.signal).catch(() => undefined);
    snapshot.release();
  });
  aborted.abort();
  executor().kill(executor().readers.at(-1) as RoleHandle);
  await simulation.pass(100);
  assert.equal(
    tableFiles(),
    store.stats().tablesByLevel.reduce((sum, count) => sum + count, 0),
  );
  await simulation.settle(store.close());
});

test('tables that only a dead writer might still read go with it', async () => {
  const { simulation, executor, store, tableFiles } = await replacedMeanwhile((store) => {
    void writeRecordTo(store, key(1), record(2000, 'in hand'));
  });
  executor().kill(executor().writer as RoleHandle);
  await simulation.pass(100);
  assert.equal(store.stats().state, 'poisoned');
  assert.equal(
    tableFiles(),
    store.stats().tablesByLevel.reduce((sum, count) => sum + count, 0),
  );
  await simulation.settle(store.close());
});

test('blocks that were to be loaded by a thread that died are loaded when they are missed again', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  const scan = (): Promise<number> =>
    store
      .rangePage({
        start: key(10),
        end: key(11),
        maxBytes: 1000,
        maxEntries: 10,
        includeTombstones: false,
        encoder: 0,
        nowMs: 0,
      })
      .then(({ usedBytes }) => usedBytes);
  const size = await simulation.settle(scan());
  executor().rolesHeld = true;
  const again = scan();
  await simulation.pass(1);
  await killHeldReaders(simulation, executor(), 1);
  executor().rolesHeld = false;
  executor().kick();
  assert.equal(await simulation.settle(again), size);
  assert.equal(store.stats().readsInFlight, 0);
  const { cacheBytes } = store.stats();
  for (let i = 0; i < 4; i++) {
    assert.equal(await simulation.settle(scan()), size);
    await simulation.pass(5);
  }
  assert.ok(store.stats().cacheBytes > cacheBytes);
  assert.equal(store.stats().readsInFlight, 0);
  await simulation.settle(store.close());
});

/** Reads while the threads that search the disk are still starting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type LsmError,
  Page,
  type RecordStore,
  type ScanPageRequest,
} from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, readResult, record, writeRecordTo } from '../../../support/engine-calls.ts';
import type { EngineSimulation } from '../../../support/engine-simulation.ts';
import { type MortalExecutor, mortal } from '../../../support/mortal-executor.ts';

const KEYS = 60;
const OPTIONS = { blockSizeBytes: 64, bottomBlockSizeBytes: 64 };

function key(i: number): Buffer {
  return Buffer.from(`key${String(i).padStart(4, '0')}`);
}

/** A store that has just been opened on tables, and whose readers have not started. */
async function reopened(): Promise<{
  simulation: EngineSimulation;
  executor: () => MortalExecutor;
  store: RecordStore;
}> {
  const { simulation, executor } = mortal({}, (made) => {
    made.readersHeld = true;
  });
  const filled = simulation.openStore(OPTIONS);
  for (let i = 0; i < KEYS; i++)
    await simulation.settle(writeRecordTo(filled, key(i), record(i + 1, `value${i}`)));
  await simulation.settle(filled.flush());
  executor().letReadersStart();
  await simulation.settle(filled.close());
  return { simulation, executor, store: simulation.openStore(OPTIONS) };
}

/** Lets this time pass with each read of a table. */
function slowDisk({ clock, fs }: EngineSimulation, readMs: number): void {
  fs.onCall = ({ operation, path }) => {
    if (operation === 'read' && path.endsWith('.sst')) clock.advance(readMs);
  };
}

test('what is on disk is answered in the call until a reader has started, and by that one from then on', async () => {
  const { simulation, executor, store } = await reopened();
  const answers: (Uint8Array | null)[] = [];
  const sink = { onRead: (_token: number, found: Uint8Array | null) => void answers.push(found) };
  store.read(key(7), sink, 0);
  store.read(Buffer.from('key0007x'), sink, 1);
  assert.deepEqual(answers, [record(8, 'value7'), null]);
  using snapshot = store.snapshot();
  store.readAt(snapshot, key(8), sink, 2);
  assert.deepEqual(answers[2], record(9, 'value8'));
  const { main } = store.stats().tableReadsByThread;
  assert.ok(main >= 2, `${main}`);
  executor().letReadersStart();
  assert.deepEqual(await simulation.settle(readRecord(store, key(9))), record(10, 'value9'));
  assert.equal(store.stats().tableReadsByThread.main, main);
  await simulation.settle(store.close());
});

test('the calling thread gives it a bounded time: what comes later waits for a reader', async () => {
  const { simulation, executor, store } = await reopened();
  slowDisk(simulation, 20);
  // Each in a block of its own.
  const numbers = Array.from({ length: 10 }, (_, i) => 5 * i);
  const reads = numbers.map((i) => readRecord(store, key(i)));
  const { main } = store.stats().tableReadsByThread;
  assert.equal(main, 3);
  assert.equal(store.stats().readsInFlight, 7);
  executor().letReadersStart();
  const found = await simulation.settle(Promise.all(reads));
  assert.deepEqual(
    found,
    numbers.map((i) => record(i + 1, `value${i}`)),
  );
  await simulation.settle(store.close());
});

const ALL = { start: key(0), end: null, maxBytes: 16_384, includeTombstones: false, encoder: 0, nowMs: 0 };

/** The keys of a small page, when it came in the call. */
function keysInCall(store: RecordStore, request: Partial<ScanPageRequest>): string[] | undefined {
  const page = store.scanPage({ ...ALL, maxEntries: 3, ...request }, undefined, undefined);
  if (!(page instanceof Page)) {
    // The store closes before a reader has made it.
    page.catch(() => undefined);
    return undefined;
  }
  const keys: string[] = [];
  while (page.next()) keys.push(Buffer.from(page.bytes.subarray(page.keyStart, page.keyEnd)).toString());
  return keys;
}

test('so is a page of few entries, in both directions, and by a reader from then on', async () => {
  const { simulation, executor, store } = await reopened();
  const [first] = keysInCall(store, { start: key(20) }) ?? [];
  assert.equal(first, 'key0020');
  const [last] = keysInCall(store, { reverse: true }) ?? [];
  assert.equal(last, 'key0059');
  executor().letReadersStart();
  assert.equal(keysInCall(store, { start: key(40) }), undefined);
  await simulation.settle(store.close());
});

test('pages take of the bounded time, too', async () => {
  const { simulation, executor, store } = await reopened();
  slowDisk(simulation, 20);
  const answered = [0, 10, 20, 30, 40].map((i) => keysInCall(store, { start: key(i) }) !== undefined);
  assert.deepEqual(answered, [true, true, true, false, false]);
  executor().letReadersStart();
  await simulation.settle(store.close());
});

test('a page that fails rejects, and may go well later', async () => {
  const { simulation, executor, store } = await reopened();
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'read' && path.endsWith('.sst')) throw fileSystemError('EIO', operation, path);
  };
  const request = { ...ALL, maxEntries: 3 };
  await assert.rejects(store.rangePage(request), { code: 'IO_ERROR' });
  simulation.fs.onCall = undefined;
  assert.equal(keysInCall(store, {})?.[0], 'key0000');
  executor().letReadersStart();
  await simulation.settle(store.close());
});

test('a read that fails is answered with its error, and damage is told', async () => {
  const { simulation, store, executor } = await reopened();
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'read' && path.endsWith('.sst')) throw fileSystemError('EIO', operation, path);
  };
  const { error } = await simulation.settle(readResult(store, key(3)));
  assert.equal((error as LsmError).code, 'IO_ERROR');
  simulation.fs.onCall = undefined;
  assert.deepEqual(await simulation.settle(readRecord(store, key(3))), record(4, 'value3'));
  executor().letReadersStart();
  await simulation.settle(store.close());
});

test('a sink may read again and close the store in its answer', async () => {
  const { simulation, executor, store } = await reopened();
  const answered: string[] = [];
  let closed: Promise<void> | undefined;
  const last = {
    onRead: (_token: number, _found: unknown, error: Error | null) =>
      void answered.push(`${(error as LsmError).code}`),
  };
  store.read(
    key(1),
    {
      onRead: () => {
        answered.push('first');
        store.read(key(2), { onRead: () => void answered.push('second') }, 1);
        closed = store.close();
      },
    },
    0,
  );
  executor().letReadersStart();
  await simulation.settle(closed as unknown as Promise<void>);
  store.read(key(3), last, 2);
  assert.deepEqual(answered, ['first', 'second', 'CLOSED']);
});

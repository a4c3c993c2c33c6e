/** Records from outside, which an engine takes below all that it has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type KeyedRecord,
  type RecordStore,
  recordTimestamp,
  WriteStatus,
} from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { flipBit } from '../../../support/damaged-tables.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { STOPS, stopName, stopped } from '../../../support/engine-crash.ts';
import {
  backgroundAfter,
  compactionsAfter,
  EngineSimulation,
  TINY_OPTIONS,
} from '../../../support/engine-simulation.ts';
import { entriesOf, packRuns } from '../../../support/packed-runs.ts';

const KEYS = 40;
const NO_KEY = new Uint8Array(0);
const BEHIND_ALL = Buffer.from([0xff]);

function entry(key: number, timestamp: number, valueBytes = 20): KeyedRecord {
  return { key: keyOf(key), record: record(timestamp, Buffer.alloc(valueBytes, `${key}.${timestamp}.`)) };
}

function keyOf(key: number): Buffer {
  return Buffer.from(`key${String(key).padStart(2, '0')}`);
}

function ingest(
  store: RecordStore,
  runs: readonly (readonly KeyedRecord[])[],
  largestTimestamp: number,
  [smallestKey, largestKey]: readonly [Uint8Array, Uint8Array] = [NO_KEY, BEHIND_ALL],
): Promise<Uint8Array | null> {
  const { entries, pieces } = packRuns(runs);
  return store.ingest({ entries, runs: pieces, largestTimestamp, smallestKey, largestKey });
}

async function timestamps(simulation: EngineSimulation, store: RecordStore): Promise<(number | null)[]> {
  const found: (number | null)[] = [];
  for (let key = 0; key < KEYS; key++) {
    const held = await simulation.settle(readRecord(store, keyOf(key)));
    found.push(held === null ? null : recordTimestamp(held, 0));
  }
  return found;
}

const all = Array.from({ length: KEYS }, (_, key) => key);
const even = all.filter((key) => key % 2 === 0).map((key) => entry(key, 50));
const odd = all.filter((key) => key % 2 === 1).map((key) => entry(key, 50));

test('records of several runs are there at once, written once, and after a start', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  assert.deepEqual(await simulation.settle(ingest(store, [even, odd], 50)), Buffer.alloc(0));
  assert.deepEqual(
    await timestamps(simulation, store),
    all.map(() => 50),
  );
  const { bytesCompacted, bytesFlushed, bytesIngested, memtables, tablesByLevel } = store.stats();
  assert.deepEqual([bytesCompacted, bytesFlushed, memtables], [0, 0, 1]);
  assert.ok(bytesIngested > 0 && tablesByLevel.slice(0, -1).every((tables) => tables === 0));
  assert.equal(store.newestTimestamp, 50);
  const power = simulation.restartWith(stopped(simulation.fs, { bytes: 'lost', names: 'lost' }, 1));
  const again = power.openStore();
  assert.deepEqual(
    await timestamps(power, again),
    all.map(() => 50),
  );
  await power.settle(again.close());
  await simulation.settle(store.close());
});

test('what is newer above is kept, what is older is left to the caller, in memtables and in tables', async () => {
  for (const isFlushed of [false, true]) {
    const simulation = new EngineSimulation({ ...TINY_OPTIONS, l0CompactionTables: 4 });
    const store = simulation.openStore();
    for (const [key, timestamp] of [
      [1, 40],
      [2, 60],
      [3, 50],
    ])
      await simulation.settle(writeRecordTo(store, keyOf(key), entry(key, timestamp).record));
    if (isFlushed) await simulation.settle(store.flush());
    const left = await simulation.settle(ingest(store, [even, odd], 50));
    assert.deepEqual(entriesOf(left as Uint8Array), [
      { key: Buffer.from(keyOf(1)), record: Buffer.from(entry(1, 50).record) },
    ]);
    const expected = all.map((key) => (key === 1 ? 40 : key === 2 ? 60 : 50));
    assert.deepEqual(await timestamps(simulation, store), expected);
    await simulation.settle(writeRecordTo(store, keyOf(1), entry(1, 50).record));
    expected[1] = 50;
    assert.deepEqual(await timestamps(simulation, store), expected);
    await simulation.settle(store.compact());
    assert.deepEqual(await timestamps(simulation, store), expected);
    await simulation.settle(store.close());
  }
});

test('writes that are not newer wait until it is done, and are stale then; newer ones do not wait', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(50));
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, keyOf(9), entry(9, 1).record));
  let isTaken = false;
  const taking = ingest(store, [even, odd], 50).then(() => {
    isTaken = true;
  });
  const late = writeRecordTo(store, keyOf(4), entry(4, 49).record);
  const newer = await simulation.settle(writeRecordTo(store, keyOf(5), entry(5, 51).record));
  assert.deepEqual([newer.status, isTaken], [WriteStatus.applied, false]);
  const { metTimestamp, status } = await simulation.settle(late);
  assert.deepEqual([status, metTimestamp, isTaken], [WriteStatus.stale, 50, true]);
  await taking;
  const found = await timestamps(simulation, store);
  assert.deepEqual([found[4], found[5], found[9]], [50, 51, 1]);
  await simulation.settle(store.close());
});

test('writers that a compaction keeps waiting do not wait for it, while it waits for them', async () => {
  const tablesBeforeStop = 2;
  const options = {
    ...TINY_OPTIONS,
    targetFileBytes: 64 * 1024,
    l0CompactionTables: tablesBeforeStop,
    l0SlowdownTables: tablesBeforeStop,
    l0StopTables: tablesBeforeStop,
  };
  const simulation = new EngineSimulation(options, undefined, compactionsAfter(50));
  const store = simulation.openStore();
  let isOver = false;
  let timestamp = 100;
  const write = async (): Promise<void> => {
    while (!isOver) {
      const key = Buffer.from(`write${++timestamp}`);
      const { status } = await writeRecordTo(store, key, record(timestamp, Buffer.alloc(4_000)));
      assert.equal(status, WriteStatus.applied);
    }
  };
  const writers = Promise.all(Array.from({ length: 12 }, write));
  await simulation.pass(40);
  assert.ok(store.stats().tablesByLevel[0] >= tablesBeforeStop, 'writers have been stopped');
  const range = [keyOf(0), keyOf(KEYS)] as const;
  assert.deepEqual(await simulation.settle(ingest(store, [even, odd], 50, range)), Buffer.alloc(0));
  isOver = true;
  await simulation.settle(writers);
  assert.deepEqual(
    await timestamps(simulation, store),
    all.map(() => 50),
  );
  await simulation.settle(store.close());
});

test('tables of the last level that it meets are merged with it, unless they are much larger', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(
    ingest(store, [even.map(({ key }) => ({ key, record: record(40, Buffer.alloc(900)) }))], 40),
  );
  assert.equal(await simulation.settle(ingest(store, [[entry(3, 50)]], 50)), null);
  const newer = all.map((key) => entry(key, 60, 900));
  assert.deepEqual(await simulation.settle(ingest(store, [newer], 60)), Buffer.alloc(0));
  assert.deepEqual(
    await timestamps(simulation, store),
    all.map(() => 60),
  );
  await simulation.settle(store.close());
});

test('a damaged table in its way is set aside, above the last level and in it', async () => {
  for (const isLast of [false, true]) {
    const simulation = new EngineSimulation({ ...TINY_OPTIONS, l0CompactionTables: 4, blockCacheBytes: 0 });
    const store = simulation.openStore();
    for (const { key, record } of even) await simulation.settle(writeRecordTo(store, key, record));
    await simulation.settle(isLast ? store.compact() : store.flush());
    const [table] = simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst'));
    flipBit(simulation.fs, `/db/${table}`, 20);
    const newer = all.map((key) => entry(key, 60, 900));
    await assert.rejects(simulation.settle(ingest(store, [newer], 60)), { code: 'CORRUPTION' });
    await simulation.settle(store.maintenanceIdle());
    assert.equal(store.stats().damage.tables, 1);
    await simulation.settle(ingest(store, [newer], 60));
    const found = await timestamps(simulation, store);
    assert.ok(
      found.every((timestamp, key) => timestamp === 60 || (!isLast && key % 2 === 0 && timestamp === 50)),
      String(found),
    );
    await simulation.settle(store.close());
  }
});

test('what is in no order, too large, or later or elsewhere than was said is refused, and nothing of it is taken', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const { entries, pieces } = packRuns([[entry(2, 50)], [entry(1, 50)]]);
  const range = { largestTimestamp: 50, smallestKey: NO_KEY, largestKey: BEHIND_ALL };
  const refused = async (call: Promise<unknown>): Promise<void> => {
    await assert.rejects(simulation.settle(call), { code: 'INVALID_ARGUMENT' });
    assert.deepEqual(
      await timestamps(simulation, store),
      all.map(() => null),
    );
  };
  await refused(store.ingest({ entries, runs: [[pieces[0][0], pieces[1][0]]], ...range }));
  await refused(store.ingest({ entries, runs: pieces, ...range, largestTimestamp: 49 }));
  await refused(store.ingest({ entries, runs: [[{ start: 0, end: 7 }]], ...range }));
  await refused(ingest(store, [[entry(1, 50, 17 * 1024)]], 50));
  await refused(ingest(store, [[entry(1, 50), entry(3, 50)]], 50, [keyOf(2), keyOf(9)]));
  await refused(ingest(store, [[entry(2, 50), entry(10, 50)]], 50, [keyOf(2), keyOf(9)]));
  assert.deepEqual(
    simulation.fs.listSync('/db').filter((name) => name.includes('sst')),
    [],
  );
  // A write is not held back for ever.
  assert.equal(
    (await simulation.settle(writeRecordTo(store, keyOf(1), entry(1, 10).record))).status,
    WriteStatus.applied,
  );
  await simulation.settle(store.close());
});

test('a stop at any call to the disk leaves all of it or nothing, and everything that was acknowledged', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const older = all.filter((key) => key % 3 === 0);
  for (const key of older) await simulation.settle(writeRecordTo(store, keyOf(key), entry(key, 60).record));
  const moments: { readonly name: string; readonly disk: EngineSimulation; readonly isTaken: boolean }[] = [];
  let isTaken = false;
  simulation.fs.onCall = (call) => {
    for (const stop of ['kill', STOPS[1 + (call.index % (STOPS.length - 1))]] as const) {
      const disk = simulation.restartWith(stopped(simulation.fs, stop, call.index));
      moments.push({ name: `${stopName(stop)} before ${call.operation} ${call.path}`, disk, isTaken });
    }
    return undefined;
  };
  await simulation.settle(ingest(store, [even, odd], 50));
  isTaken = true;
  await simulation.settle(writeRecordTo(store, keyOf(0), entry(0, 70).record));
  simulation.fs.onCall = undefined;
  assert.ok(moments.length > 20, `${moments.length} moments`);
  for (const { name, disk, isTaken } of moments) {
    const restarted = disk.openStore();
    const found = await timestamps(disk, restarted);
    for (const key of older) assert.ok((found[key] ?? 0) >= 60, `${name}: key ${key}`);
    const taken = new Set(all.filter((key) => key % 3 !== 0).map((key) => found[key]));
    assert.equal(taken.size, 1, name);
    assert.ok(taken.has(50) || (!isTaken && taken.has(null)), name);
    await disk.settle(restarted.close());
  }
  await simulation.settle(store.close());
});

/** Of the manifest: nobody knows what of it is on the disk, and no other takes its place. */
function failManifest(simulation: EngineSimulation): void {
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.includes('MANIFEST')) throw fileSystemError('EIO', operation, path);
    return undefined;
  };
}

test('while the disk does not say whether the records are there, nothing older is taken; then they are not', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, keyOf(39), entry(39, 1).record));
  failManifest(simulation);
  const refusals: Error[] = [];
  const taking = ingest(store, [even, odd], 50).catch((error: Error) => void refusals.push(error));
  await simulation.pass(1_000);
  assert.equal(refusals.length, 0, 'nobody can say yet');
  const older = writeRecordTo(store, keyOf(0), entry(0, 40).record);
  let isAnswered = false;
  older.then(() => {
    isAnswered = true;
  });
  const newer = await simulation.settle(writeRecordTo(store, keyOf(2), entry(2, 60).record));
  assert.equal(newer.status, WriteStatus.applied, 'what is newer is held up by nothing');
  await simulation.pass(500);
  assert.equal(isAnswered, false);
  // Whatever is on the disk now, nothing older was acknowledged above it.
  const restarted = simulation.restartWith(simulation.fs.kill());
  const later = restarted.openStore();
  assert.notEqual((await timestamps(restarted, later))[0], 40);
  await restarted.settle(later.close());

  simulation.fs.onCall = undefined;
  await simulation.settle(taking);
  assert.match(refusals[0].message, /manifest/);
  assert.equal((await simulation.settle(older)).status, WriteStatus.applied);
  const again = simulation.restartWith(simulation.fs.kill());
  const last = again.openStore();
  assert.deepEqual((await timestamps(again, last)).slice(0, 3), [40, null, 60]);
  await again.settle(last.close());
  await simulation.settle(store.close());
});

test('an engine closes though the disk does not say whether records are there, and what was held back fails', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  failManifest(simulation);
  const taking = ingest(store, [even, odd], 50).then(
    () => null,
    (error: Error) => error,
  );
  await simulation.pass(500);
  const older = writeRecordTo(store, keyOf(0), entry(0, 40).record);
  await simulation.settle(store.close().catch(() => undefined));
  assert.ok((await simulation.settle(taking)) instanceof Error);
  assert.equal((await simulation.settle(older)).status, WriteStatus.failed);
});

test('an engine with a long log closes though the manifest fails for records that it is just taking', async () => {
  const options = { ...TINY_OPTIONS, memtableBytes: 4 << 20 };
  const simulation = new EngineSimulation(options, undefined, backgroundAfter(100));
  const store = simulation.openStore();
  for (let i = 0; i < 100; i++)
    await simulation.settle(writeRecordTo(store, keyOf(39), entry(39, 100 + i, 15_000).record));
  const taking = ingest(store, [even, odd], 50).catch((error: Error) => error);
  await simulation.pass(50);
  const older = writeRecordTo(store, keyOf(0), entry(0, 40).record);
  const closing = store.close().catch(() => undefined);
  failManifest(simulation);
  await simulation.settle(closing);
  assert.ok((await simulation.settle(taking)) instanceof Error);
  assert.equal((await simulation.settle(older)).status, WriteStatus.failed);
});

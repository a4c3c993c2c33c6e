/** Tables of which an opening leaves index and filter for later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LsmError, type RecordStore, slotOf } from '../../../../native-free-lsm/index.ts';
import { fileSystemError, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { MetaBlockType, readTableLayout } from '../../../../native-free-lsm/sstable/table-format.ts';
import { flipBit } from '../../../support/damaged-tables.ts';
import { readRecord, readResult, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';
import { pageEntries } from '../../../support/page-entries.ts';

/** Nothing is merged, so each flush leaves a table of level 0. */
const OPTIONS = { ...TINY_OPTIONS, l0CompactionTables: 20, l0SlowdownTables: 30, l0StopTables: 40 };
const TABLES = 6;

function key(i: number): Buffer {
  return Buffer.from(`key${i}`);
}

/** A closed folder: table `i` has key `i` alone. */
async function filled(): Promise<MemoryFileSystem> {
  const simulation = new EngineSimulation(OPTIONS);
  const store = simulation.openStore();
  for (let i = 0; i < TABLES; i++) {
    await simulation.settle(writeRecordTo(store, key(i), record(i + 1, `value${i}`)));
    await simulation.settle(store.flush());
  }
  await simulation.settle(store.close());
  assert.equal(tablesOf(simulation.fs).length, TABLES);
  return simulation.fs;
}

function opened(fs: MemoryFileSystem): { simulation: EngineSimulation; store: RecordStore } {
  const simulation = new EngineSimulation(OPTIONS, fs);
  return { simulation, store: simulation.openStore() };
}

/** Ascending: the file of table `i` is the one at `i`. */
function tablesOf(fs: MemoryFileSystem): string[] {
  const names = fs.listSync('/db').filter((name) => name.endsWith('.sst'));
  return names.sort().map((name) => `/db/${name}`);
}

/** Where index and filter of a table begin. */
function placesOf(fs: MemoryFileSystem, path: string): number[] {
  const fd = fs.openReadSync(path);
  const { metaBlocks } = readTableLayout(fs, fd, path);
  fs.closeSync(fd);
  const types: readonly number[] = [MetaBlockType.index, MetaBlockType.bloomFilter];
  return metaBlocks.filter(({ type }) => types.includes(type)).map(({ offset }) => offset);
}

/** Lets a call fail, for as long as `fails` says so, that reads a table. */
function failReads(fs: MemoryFileSystem, path: string, fails: () => boolean): void {
  fs.onCall = (call) => {
    if (call.operation === 'read' && call.path === path && fails())
      throw fileSystemError('EIO', call.operation, path);
  };
}

/** Every key but those of damaged tables shows what it must; returns those that fail. */
async function failing({ simulation, store }: ReturnType<typeof opened>): Promise<number[]> {
  const failed: number[] = [];
  for (let i = 0; i < TABLES; i++) {
    const { error, record: found } = await simulation.settle(readResult(store, key(i)));
    if (error === null) assert.deepEqual(found, record(i + 1, `value${i}`), `key${i}`);
    else {
      assert.equal((error as LsmError).code, 'CORRUPTION');
      failed.push(i);
    }
  }
  return failed;
}

test('an opening leaves tables for later, whose files are open until they are loaded', async () => {
  const fs = await filled();
  const { simulation, store } = opened(fs);
  // The newest alone is loaded.
  const late = fs.openDescriptors;
  assert.ok(late >= TABLES - 1, `${late}`);
  await simulation.settle(store.maintenanceIdle());
  assert.ok(fs.openDescriptors <= late - (TABLES - 1), `${fs.openDescriptors} of ${late}`);
  assert.deepEqual(await failing({ simulation, store }), []);
  await simulation.settle(store.close());
  assert.equal(fs.openDescriptors, 0);
});

test('reads, writes, scans and a close in the turn of the opening find all that is there', async () => {
  const { simulation, store } = opened(await filled());
  const reads = Array.from({ length: TABLES }, (_, i) => readRecord(store, key(i)));
  const written = writeRecordTo(store, key(0), record(100, 'newer'));
  const stale = writeRecordTo(store, key(1), record(1, 'older'));
  const page = store.rangePage({
    start: key(0),
    end: null,
    maxBytes: 1 << 20,
    maxEntries: 100,
    includeTombstones: false,
    encoder: 0,
    nowMs: 0,
  });
  const digests = store.slotDigests(Uint16Array.of(1), Uint8Array.of(1));
  const found = await simulation.settle(Promise.all(reads));
  for (const [i, bytes] of found.entries()) assert.deepEqual(bytes, record(i + 1, `value${i}`));
  await simulation.settle(digests);
  assert.equal([...pageEntries(await simulation.settle(page))].length, TABLES);
  const closed = store.close();
  assert.equal((await simulation.settle(written)).error, null);
  assert.equal((await simulation.settle(stale)).error, null);
  await simulation.settle(closed);
  const again = opened(simulation.fs);
  assert.deepEqual(await again.simulation.settle(readRecord(again.store, key(0))), record(100, 'newer'));
  assert.deepEqual(await again.simulation.settle(readRecord(again.store, key(1))), record(2, 'value1'));
  await again.simulation.settle(again.store.close());
});

test('a large page of the turn of the opening waits until the threads know the tables', async () => {
  const { simulation, store } = opened(await filled());
  const page = store.rangePage({
    start: key(0),
    end: null,
    maxBytes: 1 << 20,
    maxEntries: 1000,
    includeTombstones: false,
    encoder: 0,
    nowMs: 0,
  });
  assert.equal([...pageEntries(await simulation.settle(page))].length, TABLES);
  await simulation.settle(store.close());
});

test('a late table whose index or filter is damaged costs its own keys, and is rewritten as any other', async () => {
  for (const part of [0, 1]) {
    const fs = await filled();
    const path = tablesOf(fs)[2];
    flipBit(fs, path, placesOf(fs, path)[part] + 5);
    const { simulation, store } = opened(fs);
    assert.equal(simulation.reports.length, 0);
    assert.deepEqual(await failing({ simulation, store }), [2]);
    assert.equal(simulation.reports.length, 1);
    assert.ok(simulation.reports[0].startsWith(`${path} is damaged at byte `), simulation.reports[0]);
    await simulation.settle(store.compact().catch(() => undefined));
    await simulation.settle(store.compact());
    assert.equal(store.stats().damage.tables, 1);
    assert.ok(store.stats().conditions.some(({ code }) => code === 'DAMAGED_TABLE'));
    assert.deepEqual(await failing({ simulation, store }), [2]);
    await simulation.settle(store.close());
  }
});

test('damage of a late table that nobody reads is told, too', async () => {
  const fs = await filled();
  const path = tablesOf(fs)[1];
  flipBit(fs, path, placesOf(fs, path)[0] + 5);
  const { simulation, store } = opened(fs);
  assert.equal(store.stats().conditions.length, 0);
  await simulation.settle(store.maintenanceIdle().catch(() => undefined));
  const [condition] = store.stats().conditions;
  assert.equal(condition.code, 'DAMAGED_TABLE');
  assert.ok(condition.message.startsWith(path), condition.message);
  await simulation.settle(store.close());
});

test('a disk that fails to read a late table is asked three times', async () => {
  for (const failures of [2, 3]) {
    const fs = await filled();
    const { simulation, store } = opened(fs);
    let left = failures;
    failReads(fs, tablesOf(fs)[1], () => left-- > 0);
    const { error } = await simulation.settle(readResult(store, key(1)));
    assert.equal(error?.message.includes('cannot be read'), failures === 3 ? true : undefined);
    fs.onCall = undefined;
    await simulation.settle(store.close());
    // Nothing was wrong with the table.
    const again = opened(fs);
    assert.deepEqual(await failing(again), []);
    await again.simulation.settle(again.store.close());
  }
});

test('a table that is missing, or another one, refuses the opening, and no file stays open', async () => {
  const whole = await filled();
  for (const isMissing of [true, false]) {
    const fs = whole.kill();
    const [oldest, other] = tablesOf(fs);
    const bytes = fs.contents(other);
    fs.removeSync(oldest);
    if (!isMissing) fs.place(oldest, bytes);
    const open = fs.openDescriptors;
    assert.throws(() => opened(fs), { code: 'CORRUPTION', file: oldest });
    assert.equal(fs.openDescriptors, open);
  }
});

test('what a slot may have lost in a late table is known from the opening on', async () => {
  const fs = await filled();
  const path = tablesOf(fs)[2];
  flipBit(fs, path, placesOf(fs, path)[0] + 5);
  const { simulation, store } = opened(fs);
  assert.equal(store.lostTo(slotOf(key(2))), 3);
  await simulation.settle(store.close());
});

test('an opening that may not have so many files open loads all tables at once', async () => {
  const fs = await filled();
  const allowed = fs.openDescriptors + 4;
  let refused = 0;
  fs.onCall = ({ operation, path }) => {
    if (operation !== 'openRead' || !path.endsWith('.sst') || fs.openDescriptors < allowed) return;
    refused++;
    throw fileSystemError('EMFILE', operation, path);
  };
  const { simulation, store } = opened(fs);
  assert.equal(refused, 1);
  fs.onCall = undefined;
  const atOnce = fs.openDescriptors;
  await simulation.settle(store.maintenanceIdle());
  assert.equal(fs.openDescriptors, atOnce, 'none was open to be loaded later');
  assert.deepEqual(await failing({ simulation, store }), []);
  assert.deepEqual(simulation.reports, []);
  await simulation.settle(store.close());
  assert.equal(fs.openDescriptors, 0);
});

/** There is no memory for any table but the newest, for as long as `fails` says so. */
function failAllocations(fs: MemoryFileSystem, fails: () => boolean): void {
  const newest = tablesOf(fs).at(-1);
  fs.onCall = ({ operation, path }) => {
    if (operation === 'read' && path.endsWith('.sst') && path !== newest && fails())
      throw new RangeError('Array buffer allocation failed');
  };
}

test('a late table for which there is no memory is tried again, and whoever needs it is told so until it is there', async () => {
  const { simulation, store } = opened(await filled());
  let isShort = true;
  failAllocations(simulation.fs, () => isShort);
  const page = {
    start: key(0),
    end: null,
    maxBytes: 1 << 20,
    maxEntries: 100,
    includeTombstones: false,
    encoder: 0,
    nowMs: 0,
  };
  const refused = { code: 'OVERLOADED', canRetry: true, message: /there is no memory left/ };
  const read = await simulation.settle(readResult(store, key(0)));
  assert.equal((read.error as LsmError).code, 'OVERLOADED');
  assert.throws(() => store.readSync(key(0)), refused);
  assert.throws(() => store.scanPageSync(page, undefined), refused);
  // What threads would have to do waits for the first try.
  const written = writeRecordTo(store, key(1), record(1, 'older'));
  const asked = [
    assert.rejects(store.rangePage(page), refused),
    assert.rejects(store.slotDigests(Uint16Array.of(1), Uint8Array.of(1)), refused),
    assert.rejects(store.flush(), refused),
    assert.rejects(store.maintenanceIdle(), refused),
    written.then(({ error }) => assert.equal((error as LsmError).code, 'OVERLOADED')),
  ];
  await simulation.settle(Promise.all(asked));
  const [condition] = store.stats().conditions;
  assert.deepEqual([condition.code, condition.stopsWrites], ['OPENING_HELD', true]);
  assert.ok(store.lostTo(slotOf(key(2))) >= 3, 'a table that is not loaded may be damaged');
  // The newest table is there.
  assert.deepEqual(await simulation.settle(readRecord(store, key(TABLES - 1))), record(TABLES, 'value5'));

  isShort = false;
  await simulation.pass(10_000);
  assert.deepEqual(await failing({ simulation, store }), []);
  assert.equal((await simulation.settle(writeRecordTo(store, key(1), record(1, 'older')))).status, 1);
  assert.deepEqual(store.stats().conditions, []);
  assert.equal(store.lostTo(slotOf(key(2))), 0);
  assert.deepEqual(
    simulation.reports.map((report) => report.split(',')[0]),
    ['what threads do is refused until all tables are loaded', 'all tables are loaded'],
  );
  await simulation.settle(store.close());
  assert.equal(simulation.fs.openDescriptors, 0);
});

test('whoever asks again and again what is lost has no table tried more often for it, and no write refused', async () => {
  const { simulation, store } = opened(await filled());
  let tries = 0;
  failAllocations(simulation.fs, () => {
    tries++;
    return true;
  });
  await simulation.pass(1);
  const triesBefore = tries;
  assert.ok(triesBefore > 0);
  let isAnswered = false;
  const written = writeRecordTo(store, key(1), record(100, 'newer')).then(({ error }) => {
    isAnswered = true;
    return error;
  });
  for (let turn = 0; turn < 50; turn++) {
    assert.ok(store.lostTo(slotOf(key(2))) >= 3);
    await simulation.pass(1);
  }
  assert.equal(tries, triesBefore);
  assert.equal(isAnswered, false, 'it waits for the next try');
  // That fails, and is due later than the one before.
  await simulation.pass(100);
  assert.equal(((await written) as LsmError).code, 'OVERLOADED');
  assert.equal(tries, triesBefore + 1);
  await simulation.settle(store.close());
});

test('an engine whose late tables cannot be loaded is closed all the same, and nothing of it is lost', async () => {
  const { simulation, store } = opened(await filled());
  let isShort = true;
  failAllocations(simulation.fs, () => isShort);
  const written = writeRecordTo(store, key(0), record(100, 'newer'));
  const closed = store.close();
  assert.equal((await simulation.settle(written)).error === null, false);
  await simulation.settle(closed);
  assert.equal(simulation.fs.openDescriptors, 0);
  isShort = false;
  const again = opened(simulation.fs);
  assert.deepEqual(await failing(again), []);
  await again.simulation.settle(again.store.close());
});

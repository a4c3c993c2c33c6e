/** Batches that no memtable holds: they go into tables, all of a batch together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_TIMESTAMP } from '../../../../native-free-lsm/format/timestamp.ts';
import {
  type Engine,
  type KeyedRecord,
  type KeyOperation,
  type LsmError,
  type RecordStore,
  recordTimestamp,
  WriteStatus,
} from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { blocksOfTable, flipBit } from '../../../support/damaged-tables.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { STOPS, stopName, stopped } from '../../../support/engine-crash.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEYS = 60;
/** Sixty of them are more than half a memtable of TINY_OPTIONS. */
const VALUE_BYTES = 1_000;
const all = Array.from({ length: KEYS }, (_, key) => key);

function keyOf(key: number): Buffer {
  return Buffer.from(`key${String(key).padStart(2, '0')}`);
}

function bytesFor(version: string): Buffer {
  return Buffer.alloc(VALUE_BYTES, `${version}.`);
}

function put(key: number, version: string): KeyOperation {
  return { type: 'put', key: keyOf(key), value: bytesFor(version) };
}

function batchOf(version: string, keys: readonly number[] = all): KeyOperation[] {
  return keys.map((key) => put(key, version));
}

/** What each key has, by the version in its value. */
async function versions(simulation: EngineSimulation, engine: Engine): Promise<(string | null)[]> {
  const found = await simulation.settle(Promise.all(all.map((key) => engine.get(keyOf(key)))));
  return found.map((value) => {
    if (value === undefined) return null;
    const version = Buffer.from(value).toString().split('.')[0];
    assert.deepEqual(Buffer.from(value), bytesFor(version));
    return version;
  });
}

function tables(simulation: EngineSimulation): string[] {
  return simulation.fs.listSync('/db').filter((name) => name.includes('sst'));
}

test('a batch larger than a memtable is there as a whole, on the disk, and its last operation on a key counts', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, durability: 'none' });
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(keyOf(7), bytesFor('before')));
  const descending = batchOf('first').toReversed();
  const operations = [
    ...descending,
    ...batchOf('batch'),
    put(3, 'gone'),
    { type: 'delete', key: keyOf(3) },
  ] as const;
  await simulation.settle(engine.write(operations));
  const expected: (string | null)[] = all.map((key) => (key === 3 ? null : 'batch'));
  assert.deepEqual(await versions(simulation, engine), expected);
  const power = simulation.restartWith(stopped(simulation.fs, { bytes: 'lost', names: 'lost' }, 1));
  const again = await power.openEngine();
  assert.deepEqual(await versions(power, again), expected);
  await power.settle(again.close());
  await simulation.settle(engine.put(keyOf(7), bytesFor('after')));
  expected[7] = 'after';
  assert.deepEqual(await versions(simulation, engine), expected);
  await simulation.settle(engine.compact());
  assert.deepEqual(await versions(simulation, engine), expected);
  await simulation.settle(engine.close());
});

test('where nothing is, it goes to the last level; on top of others into few tables of level 0', async () => {
  const options = { ...TINY_OPTIONS, l0CompactionTables: 8, targetFileBytes: 4096 };
  const simulation = new EngineSimulation(options);
  const engine = await simulation.openEngine();
  await simulation.settle(engine.write(batchOf('one', all.slice(0, 40))));
  const { bytesFlushed, bytesIngested, tablesByLevel } = engine.stats();
  assert.ok(bytesIngested > 40 * VALUE_BYTES && bytesFlushed === 0);
  assert.ok((tablesByLevel.at(-1) ?? 0) > 6 && tablesByLevel.slice(0, -1).every((count) => count === 0));
  await simulation.settle(engine.put(keyOf(39), bytesFor('two')));
  await simulation.settle(engine.flush());
  await simulation.settle(engine.write(batchOf('three')));
  const [inLevel0] = engine.stats().tablesByLevel;
  assert.ok(inLevel0 > 1 && inLevel0 <= 1 + 4, `${inLevel0} tables in level 0`);
  assert.deepEqual(
    await versions(simulation, engine),
    all.map(() => 'three'),
  );
  await simulation.settle(engine.close());
});

test('a snapshot taken before does not see it, and neither does a reader half of it', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(20));
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(keyOf(1), bytesFor('before')));
  using before = engine.snapshot();
  let isWritten = false;
  const writing = engine.write(batchOf('batch')).then(() => {
    isWritten = true;
  });
  while (!isWritten) {
    const found = (await versions(simulation, engine)).filter((_, key) => key !== 1);
    assert.equal(new Set(found).size, 1, 'all of the batch or nothing');
    await simulation.pass(1);
  }
  await writing;
  assert.deepEqual(
    await versions(simulation, engine),
    all.map(() => 'batch'),
  );
  const seen = await simulation.settle(engine.getMany(all.map(keyOf), before));
  assert.deepEqual(
    seen.map((value) => value !== undefined),
    all.map((key) => key === 1),
  );
  await simulation.settle(engine.close());
});

test('among writes, flushes and compactions under way, the order of the calls decides', async () => {
  for (let seed = 0; seed < 12; seed++) {
    const random = seededRandom(seed);
    const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(seed % 4));
    const engine = await simulation.openEngine();
    const expected: (string | null)[] = all.map(() => null);
    const underWay: Promise<unknown>[] = [];
    for (let step = 0; step < 120; step++) {
      const version = `s${step}`;
      if (random() < 0.08) {
        const from = Math.floor(random() * 30);
        const keys = all.slice(from, from + 34);
        for (const key of keys) expected[key] = version;
        underWay.push(engine.write(batchOf(version, keys)));
      } else if (random() < 0.9) {
        const key = Math.floor(random() * KEYS);
        const isDeletion = random() < 0.2;
        expected[key] = isDeletion ? null : version;
        underWay.push(isDeletion ? engine.delete(keyOf(key)) : engine.put(keyOf(key), bytesFor(version)));
      } else if (random() < 0.4) underWay.push(engine.flush());
      if (random() < 0.3) await simulation.pass(1 + random() * 6);
    }
    await simulation.settle(Promise.all(underWay));
    assert.deepEqual(await versions(simulation, engine), expected, `seed ${seed}`);
    const killed = simulation.restartWith(simulation.fs.kill());
    const again = await killed.openEngine();
    assert.deepEqual(await versions(killed, again), expected, `seed ${seed}, after a start`);
    await killed.settle(again.close());
    await simulation.settle(engine.compact());
    assert.deepEqual(await versions(simulation, engine), expected, `seed ${seed}, compacted`);
    await simulation.settle(engine.close());
  }
});

function writeBatch(store: RecordStore, puts: readonly KeyedRecord[]): Promise<WriteStatus> {
  return new Promise((resolve, reject) => {
    const onWrite = (_token: number, status: WriteStatus, _at: number, _by: number, error: Error | null) =>
      error === null ? resolve(status) : reject(error);
    store.writeBatch(puts, { onWrite }, 0);
  });
}

function recordsAt(timestamp: number): KeyedRecord[] {
  return all.map((key) => ({ key: keyOf(key), record: record(timestamp, bytesFor('r')) }));
}

async function timestamps(simulation: EngineSimulation, store: RecordStore): Promise<number[]> {
  const found = await simulation.settle(Promise.all(all.map((key) => readRecord(store, keyOf(key)))));
  return found.map((held) => (held === null ? 0 : recordTimestamp(held, 0)));
}

test('with versions of the caller what is newer stays, whether it came before, or comes meanwhile', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(10));
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, keyOf(5), record(60, 'newer')));
  await simulation.settle(writeRecordTo(store, keyOf(6), record(40, 'older')));
  const writing = writeBatch(store, recordsAt(50));
  const late = writeRecordTo(store, keyOf(8), record(45, 'late'));
  const newer = writeRecordTo(store, keyOf(9), record(55, 'newer'));
  await simulation.settle(writing);
  assert.equal((await simulation.settle(late)).status, WriteStatus.stale);
  assert.equal((await simulation.settle(newer)).status, WriteStatus.applied);
  const expected = all.map((key) => (key === 5 ? 60 : key === 9 ? 55 : 50));
  assert.deepEqual(await timestamps(simulation, store), expected);
  assert.equal(
    (await simulation.settle(writeRecordTo(store, keyOf(4), record(49, 'old')))).status,
    WriteStatus.stale,
  );
  assert.equal(await simulation.settle(writeBatch(store, recordsAt(30))), WriteStatus.stale);
  assert.deepEqual(await timestamps(simulation, store), expected);
  await simulation.settle(store.close());
});

test('digests of slots know it', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const slots = Uint16Array.from({ length: 65_536 }, (_, slot) => slot);
  const minFroms = new Uint8Array(slots.length).fill(1);
  const before = await simulation.settle(store.slotDigests(slots, minFroms));
  await simulation.settle(writeBatch(store, recordsAt(50)));
  const after = await simulation.settle(store.slotDigests(slots, minFroms));
  assert.notDeepEqual(after, before);
  const other = new EngineSimulation();
  const singly = other.openStore();
  for (const { key, record } of recordsAt(50)) await other.settle(writeRecordTo(singly, key, record));
  assert.deepEqual(await other.settle(singly.slotDigests(slots, minFroms)), after);
  await other.settle(singly.close());
  await simulation.settle(store.close());
});

test('what was lost by damage is well again when it brings all of it', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, blockCacheBytes: 0 });
  const engine = await simulation.openEngine();
  await simulation.settle(engine.write(batchOf('first')));
  const [name] = tables(simulation);
  const [block] = blocksOfTable(simulation.fs, `/db/${name}`);
  flipBit(simulation.fs, block.path, block.offset + 3);
  await assert.rejects(simulation.settle(engine.get(Buffer.from(block.keys[0]))), { code: 'CORRUPTION' });
  await simulation.pass(50);
  assert.equal(engine.stats().damage.lostRecords, block.keys.length);
  await simulation.settle(engine.write(batchOf('second')));
  await simulation.pass(50);
  assert.deepEqual(engine.stats().conditions, []);
  assert.deepEqual(
    await versions(simulation, engine),
    all.map(() => 'second'),
  );
  await simulation.settle(engine.close());
});

test('conditional writes wait for it and see it; one of that size is refused', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(10));
  const engine = await simulation.openEngine();
  const writing = engine.write(batchOf('batch'));
  const condition = engine.putIf(keyOf(1), bytesFor('condition'), null);
  const flushed = engine.flush();
  const { applied } = await simulation.settle(condition);
  assert.equal(applied, false);
  await simulation.settle(Promise.all([writing, flushed]));
  await assert.rejects(engine.writeIf([{ key: keyOf(1), version: null }], batchOf('c')), {
    code: 'INVALID_ARGUMENT',
    message: /a batch of \d+ bytes is too large for one with conditions: maxBatchBytes is 32768/,
  });
  assert.deepEqual(
    await versions(simulation, engine),
    all.map(() => 'batch'),
  );
  await simulation.settle(engine.close());
});

test('what is called behind a conditional write that waits for it does not pass that on its keys', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(10));
  const engine = await simulation.openEngine();
  const keys = ['x', 'y', 'z'].map((name) => Buffer.from(name));
  const value = bytesFor('condition');
  const writing = engine.write(batchOf('batch'));
  const order: string[] = [];
  const noted = <T>(name: string, promise: Promise<T>): Promise<T> => promise.finally(() => order.push(name));
  const conditional = noted(
    'conditional',
    engine.writeIf([{ key: keys[0], version: null }], [{ type: 'put', key: keys[1], value }]),
  );
  const later = [
    noted('put', engine.put(keys[0], bytesFor('put'))),
    noted('delete', engine.delete(keys[1])),
    noted('free', engine.put(keys[2], bytesFor('free'))),
    noted('batch', engine.write([{ type: 'put', key: keys[0], value: bytesFor('small batch') }])),
  ];
  const again = noted('again', engine.putIf(keys[0], bytesFor('again'), null));
  const { applied } = await simulation.settle(conditional);
  await simulation.settle(Promise.all([...later, writing]));
  assert.ok(applied);
  assert.deepEqual(order, ['free', 'conditional', 'put', 'delete', 'batch', 'again']);
  assert.equal((await again).applied, false);
  const found = await simulation.settle(engine.getMany(keys));
  assert.deepEqual(
    found.map((one) => one && Buffer.from(one).toString().split('.')[0]),
    ['small batch', undefined, 'free'],
  );
  await simulation.settle(engine.close());
});

test('what hides a batch that has not come to its turn stays, though a compaction would drop it', async () => {
  const options = {
    ...TINY_OPTIONS,
    dropTombstonesBelow: MAX_TIMESTAMP,
    l0SlowdownTables: 2,
    l0StopTables: 2,
  };
  for (const hide of [
    (engine: Engine): Promise<unknown>[] => all.map((key) => engine.delete(keyOf(key))),
    (engine: Engine): Promise<unknown>[] => [engine.clear({ gte: keyOf(0), lte: keyOf(KEYS - 1) })],
    (engine: Engine): Promise<unknown>[] =>
      all.map((key) => engine.put(keyOf(key), bytesFor('short'), { ttlMs: 1 })),
  ]) {
    const simulation = new EngineSimulation(options, undefined, backgroundAfter(20));
    const engine = await simulation.openEngine();
    const batches = [engine.write(batchOf('first')), engine.write(batchOf('second'))];
    const later = hide(engine);
    // So much that the writer has to wait for compactions.
    for (let i = 0; i < 200; i++) later.push(engine.put(Buffer.from(`other${i}`), bytesFor('other')));
    await simulation.settle(Promise.all([...batches, ...later]));
    assert.deepEqual(
      await versions(simulation, engine),
      all.map(() => null),
    );
    await simulation.settle(engine.compact());
    assert.deepEqual(
      await versions(simulation, engine),
      all.map(() => null),
    );
    await simulation.settle(engine.close());
  }
});

test('a conditional write waits for those before it alone, though there are always others', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(10));
  const engine = await simulation.openEngine();
  const answered: string[] = [];
  const write = (name: string): Promise<unknown> =>
    engine.write(batchOf(name)).finally(() => answered.push(name));
  const writing = [write('one')];
  const conditional = engine.putIf(keyOf(1), bytesFor('condition'), null);
  writing.push(write('two'), write('three'));
  const { applied, version } = await simulation.settle(conditional);
  assert.deepEqual([applied, answered], [false, ['one']]);
  const found = await simulation.settle(engine.getVersioned(keyOf(1)));
  assert.equal(found?.version, version, 'that of the first batch');
  await simulation.settle(Promise.all(writing));
  assert.deepEqual(
    await versions(simulation, engine),
    all.map(() => 'three'),
  );
  await simulation.settle(engine.close());
});

test('a close waits for it', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(10));
  const engine = await simulation.openEngine();
  const writing = [engine.write(batchOf('one')), engine.write(batchOf('two', all.slice(0, 40)))];
  await simulation.settle(engine.close());
  await Promise.all(writing);
  const again = await simulation.openEngine();
  assert.deepEqual(
    await versions(simulation, again),
    all.map((key) => (key < 40 ? 'two' : 'one')),
  );
  await simulation.settle(again.close());
});

test('a stop at any call to the disk leaves all of it or nothing, and everything that was acknowledged', async () => {
  const simulation = new EngineSimulation({
    ...TINY_OPTIONS,
    targetFileBytes: 24 * 1024,
    l0CompactionTables: 8,
  });
  const engine = await simulation.openEngine();
  await simulation.settle(engine.write(batchOf('below')));
  await simulation.settle(engine.put(keyOf(0), bytesFor('before')));
  const moments: { readonly name: string; readonly disk: EngineSimulation; readonly isWritten: boolean }[] =
    [];
  let isWritten = false;
  simulation.fs.onCall = (call) => {
    const stop = STOPS[call.index % STOPS.length];
    const disk = simulation.restartWith(stopped(simulation.fs, stop, call.index));
    moments.push({ name: `${stopName(stop)} before ${call.operation} ${call.path}`, disk, isWritten });
    return undefined;
  };
  await simulation.settle(engine.write(batchOf('batch')));
  isWritten = true;
  await simulation.settle(engine.put(keyOf(1), bytesFor('after')));
  simulation.fs.onCall = undefined;
  assert.ok(moments.length > 40, `${moments.length} moments`);
  for (const { name, disk, isWritten } of moments) {
    const restarted = await disk.openEngine();
    const [first, second, ...others] = await versions(disk, restarted);
    assert.equal(new Set(others).size, 1, name);
    const [seen] = others;
    assert.ok(seen === 'batch' || (!isWritten && seen === 'below'), `${name}: ${seen}`);
    assert.equal(first, seen === 'batch' ? 'batch' : 'before', name);
    assert.ok(second === seen || (isWritten && second === 'after'), `${name}: ${second}`);
    await disk.settle(restarted.store.maintenanceIdle());
    await disk.pass(5);
    const { tablesByLevel } = restarted.stats();
    assert.equal(
      tables(disk).length,
      tablesByLevel.reduce((sum, count) => sum + count, 0),
      `${name}: a table is left over`,
    );
    await disk.settle(restarted.close());
  }
  await simulation.settle(engine.close());
});

test('a disk that is full at any call leaves nothing of it, and takes it later', async () => {
  let call = 0;
  for (let isThrough = false; !isThrough; call++) {
    const simulation = new EngineSimulation();
    const engine = await simulation.openEngine();
    await simulation.settle(engine.write(batchOf('below')));
    await simulation.settle(engine.put(keyOf(0), bytesFor('before')));
    let calls = 0;
    let isRefused = false;
    simulation.fs.onCall = ({ operation, path }) => {
      if (isRefused || !/write|create|rename/i.test(operation) || calls++ < call) return undefined;
      isRefused = true;
      throw fileSystemError('ENOSPC', operation, path);
    };
    const failure = await simulation.settle(engine.write(batchOf('batch')).catch((error) => error));
    simulation.fs.onCall = undefined;
    const found = await versions(simulation, engine);
    if (failure === undefined) {
      isThrough = !isRefused;
      assert.deepEqual(
        found,
        all.map(() => 'batch'),
      );
    } else {
      assert.equal(failure.code, 'NO_SPACE', `call ${call}: ${failure}`);
      assert.deepEqual(
        found,
        all.map((key) => (key === 0 ? 'before' : 'below')),
        `call ${call}`,
      );
      await simulation.settle(engine.write(batchOf('later')));
      assert.deepEqual(
        await versions(simulation, engine),
        all.map(() => 'later'),
      );
    }
    await simulation.settle(engine.store.maintenanceIdle().catch(() => undefined));
    const { tablesByLevel } = engine.stats();
    await simulation.pass(50);
    assert.equal(
      tables(simulation).length,
      tablesByLevel.reduce((sum, count) => sum + count, 0),
      `call ${call}: a table is left over`,
    );
    await simulation.settle(engine.close());
  }
  assert.ok(call > 20, `${call} calls`);
});

test('while the disk does not say whether it is there, it is not answered, and a condition says why; then it is not there', async () => {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(keyOf(0), bytesFor('before')));
  await simulation.settle(engine.flush());
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.includes('MANIFEST')) throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  let failure: Error | undefined;
  const writing = engine.write(batchOf('batch')).catch((error: Error) => {
    failure = error;
  });
  await simulation.pass(1_000);
  assert.equal(failure, undefined);
  const conditions = engine.stats().conditions.map(({ code, stopsWrites }) => [code, stopsWrites]);
  assert.deepEqual(conditions, [['MANIFEST_FAILING', true]]);
  simulation.fs.onCall = undefined;
  await simulation.settle(writing);
  assert.match(String(failure), /manifest/);
  assert.deepEqual(engine.stats().conditions, []);
  assert.match(simulation.reports.join('\n'), /^writes wait .*EIO.*\nthe manifest can be written again$/);
  const expected = all.map((key) => (key === 0 ? 'before' : null));
  assert.deepEqual(await versions(simulation, engine), expected);
  const killed = simulation.restartWith(simulation.fs.kill());
  const again = await killed.openEngine();
  assert.deepEqual(await versions(killed, again), expected);
  await killed.settle(again.close());
  await simulation.settle(engine.close());
});

test('what waits behind one of which the disk does not say whether it is there is refused in time', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, writeStallTimeoutMs: 500 });
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(keyOf(0), bytesFor('before')));
  await simulation.settle(engine.flush());
  let fails = true;
  simulation.fs.onCall = ({ operation, path }) => {
    if (fails && operation === 'fdatasync' && path.includes('MANIFEST'))
      throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  const answers = new Map<string, string>();
  const note = (name: string, call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => answers.set(name, 'done'),
      (error: LsmError) => answers.set(name, error.code),
    );
  const condition = { key: keyOf(1), version: null };
  const batch = note('batch', engine.write(batchOf('batch')));
  const calls = [
    note('conditional', engine.writeIf([condition], [put(1, 'conditional')])),
    note('behind', engine.put(keyOf(1), bytesFor('behind'))),
    note('range', engine.clear()),
    note('second batch', engine.write(batchOf('second'))),
  ];
  await simulation.pass(400);
  assert.deepEqual([...answers], []);
  await simulation.pass(250);
  const refused = ['conditional', 'behind', 'range', 'second batch'].map((name) => [name, 'OVERLOADED']);
  assert.deepEqual([...answers].toSorted(), refused.toSorted());
  // As long again for what comes later.
  calls.push(note('late', engine.writeIf([condition], [put(1, 'late')])));
  await simulation.pass(400);
  assert.ok(!answers.has('late'));
  await simulation.pass(250);
  assert.equal(answers.get('late'), 'OVERLOADED');
  calls.push(note('last', engine.writeIf([condition], [put(1, 'last')])));
  fails = false;
  await simulation.settle(Promise.all([batch, ...calls]));
  assert.equal(answers.get('batch'), 'IO_ERROR');
  assert.equal(answers.get('last'), 'done');
  const expected = all.map((key) => (key === 0 ? 'before' : key === 1 ? 'last' : null));
  assert.deepEqual(await versions(simulation, engine), expected);
  await simulation.settle(engine.write(batchOf('third')));
  assert.deepEqual(await versions(simulation, engine), Array(KEYS).fill('third'));
  await simulation.settle(engine.close());
});
